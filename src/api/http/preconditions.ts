/** Conditions of RFC 9110 §13 on an object, in its order of precedence (§13.2.2). */
import { namesEntityTag } from './entity-tag.ts';
import { parseHttpDate } from './http-date.ts';
import type { RequestHeaders } from './request-headers.ts';

/** What is stored, as conditions see it. */
export interface Validators {
  /** Without quotes. */
  readonly entityTag: string;
  readonly lastModifiedSeconds: number;
}

type Conditions = Pick<RequestHeaders, 'ifMatch' | 'ifNoneMatch' | 'ifModifiedSince' | 'ifUnmodifiedSince'>;

export type ReadVerdict = 'proceed' | 'not_modified' | 'failed';

export function checkRead(conditions: Conditions, stored: Validators): ReadVerdict {
  if (conditions.ifMatch !== undefined) {
    if (!namesEntityTag(conditions.ifMatch, stored.entityTag)) return 'failed';
  } else if (modifiedSince(conditions.ifUnmodifiedSince, stored) === true) {
    return 'failed';
  }
  if (conditions.ifNoneMatch !== undefined) {
    return namesEntityTag(conditions.ifNoneMatch, stored.entityTag) ? 'not_modified' : 'proceed';
  }
  return modifiedSince(conditions.ifModifiedSince, stored) === false ? 'not_modified' : 'proceed';
}

/** `stored` is undefined if nothing live is. */
export function checkWrite(conditions: Conditions, stored: Validators | undefined): 'proceed' | 'failed' {
  if (stored === undefined) return conditions.ifMatch === undefined ? 'proceed' : 'failed';
  if (conditions.ifMatch !== undefined && !namesEntityTag(conditions.ifMatch, stored.entityTag))
    return 'failed';
  if (modifiedSince(conditions.ifUnmodifiedSince, stored) === true) return 'failed';
  if (conditions.ifNoneMatch !== undefined && namesEntityTag(conditions.ifNoneMatch, stored.entityTag)) {
    return 'failed';
  }
  return 'proceed';
}

/** Undefined without a condition, or with one that is no date and is therefore ignored. */
function modifiedSince(date: string | undefined, stored: Validators): boolean | undefined {
  if (date === undefined) return undefined;
  const seconds = parseHttpDate(date);
  return seconds === undefined ? undefined : stored.lastModifiedSeconds > seconds;
}
