/**
 * The condition of a write: checked by a read at a quorum, and again by the coordinating vnode in the same
 * turn as the write.
 */
import type { VersionVector } from '../clocks/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { KvError } from './kv-error.ts';
import type { VersionedObject } from './object/index.ts';
import { isLive } from './visible-object.ts';

/** `absent`: nothing live is stored. `unmodified`: what is stored has the clock of the write's context. */
export type WriteCondition = 'none' | 'absent' | 'unmodified';

/** Undefined if the condition holds of what is stored. */
export function conditionFailure(
  { condition, context }: { readonly condition: WriteCondition; readonly context: VersionVector },
  stored: VersionedObject | undefined,
  properties: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>,
  nowMicros: number,
): KvError | undefined {
  if (condition === 'none') return undefined;
  const live = isLive(stored, properties, nowMicros);
  if (condition === 'absent') return live ? { code: 'match_found' } : undefined;
  if (!live) return { code: 'notfound' };
  return stored.clock.equals(context) ? undefined : { code: 'modified' };
}
