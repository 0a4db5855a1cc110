/** What a read that was coordinated says to who asked. */
import type { Clock } from '../environment/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { ReadOutcome } from './coordinator/index.ts';
import type { GetRequest, GetResult } from './key-value-store.ts';
import { decodeContext } from './request-checks.ts';
import { shownObject } from './visible-object.ts';

export function getResult(
  outcome: ReadOutcome,
  request: GetRequest,
  properties: BucketProperties,
  clock: Pick<Clock, 'wallMicros'>,
): GetResult {
  if (outcome.kind === 'failed') return outcome;
  const { object } = outcome;
  if (object === undefined) return { kind: 'notfound' };
  const visible = shownObject(object, properties, object.mayExpire ? clock.wallMicros() : 0);
  if (visible.isTombstone) return { kind: 'notfound', tombstone: visible };
  if (request.ifModified !== undefined) {
    const known = decodeContext(request.ifModified);
    if (known === undefined) return { kind: 'failed', error: { code: 'bad_context' } };
    if (known.equals(object.clock)) return { kind: 'unchanged' };
  }
  return { kind: 'found', object: visible };
}
