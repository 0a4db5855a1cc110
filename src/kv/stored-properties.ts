/** Properties as the registry has them: JSON of what was changed, so that a later change of what is under it shows. */
import { Buffer } from 'node:buffer';
import type { BucketProperties, BucketPropertyChanges, JsonValue } from './bucket-properties.ts';
import { KvFailure } from './key-value-store.ts';
import { parsePropertyChanges, propertyToJson } from './property-rules.ts';

/** The properties of one bucket or type as they are stored. With their number, this bounds their memory. */
export const propertiesBytesMax = 16 * 1024;

export function mergeChanges(
  before: BucketPropertyChanges,
  changes: BucketPropertyChanges,
): BucketPropertyChanges {
  if (before.custom === undefined || changes.custom === undefined) return { ...before, ...changes };
  return { ...before, ...changes, custom: new Map([...before.custom, ...changes.custom]) };
}

/** What has no place in `changes` is as in `base`; properties that Hale does not know add up. */
export function overlaid(base: BucketProperties, changes: BucketPropertyChanges): BucketProperties {
  return { ...base, ...mergeChanges({ custom: base.custom }, changes) };
}

/** `merged`: `changes` over what is under them. */
export function changesToJson(
  merged: BucketProperties,
  changes: BucketPropertyChanges,
): Record<string, JsonValue> {
  const own = Object.keys(changes).filter((property) => property !== 'custom');
  const entries = own.map((property): [string, JsonValue] => [
    property,
    propertyToJson(merged, property) ?? null,
  ]);
  return Object.fromEntries([...entries, ...(changes.custom ?? new Map<string, JsonValue>())]);
}

/** Throws `KvFailure`. */
export function storedJson(json: JsonValue): Buffer {
  const stored = Buffer.from(JSON.stringify(json), 'utf8');
  if (stored.length > propertiesBytesMax) {
    throw new KvFailure({
      code: 'invalid_properties',
      problems: [{ property: 'props', reason: 'too_long' }],
    });
  }
  return stored;
}

/** Undefined: not JSON. */
export function jsonOfStored(value: Buffer): JsonValue | undefined {
  try {
    return JSON.parse(value.toString('utf8')) as JsonValue;
  } catch {
    return undefined;
  }
}

/** Undefined: damaged, or of a later version that knows more. */
export function changesOfJson(json: JsonValue | undefined): BucketPropertyChanges | undefined {
  const parsed = json === undefined ? undefined : parsePropertyChanges(json);
  return parsed === undefined || 'problems' in parsed ? undefined : parsed.changes;
}
