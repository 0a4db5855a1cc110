/**
 * The condition of a write: checked by a read at a quorum, and again by the coordinating vnode in the same
 * turn as the write.
 */
import type { VersionVector } from '../clocks/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import type { KvError } from './kv-error.ts';
import type { VersionedObject } from './object/index.ts';
import { isLive } from './visible-object.ts';

/**
 * `absent`: nothing live is stored. `unmodified`: what is stored has the clock of the write's context. `latest`: nothing
 * is stored that the context does not cover, be it live or not; never what a client asks for.
 */
export type WriteCondition = AskedCondition | 'latest';
export type AskedCondition = 'none' | 'absent' | 'unmodified';

/** Undefined if the condition holds of what is stored. */
export function conditionFailure(
  { condition, context }: { readonly condition: WriteCondition; readonly context: VersionVector },
  stored: VersionedObject | undefined,
  properties: Pick<BucketProperties, 'allow_mult' | 'last_write_wins'>,
  nowMicros: number,
): KvError | undefined {
  if (condition === 'none') return undefined;
  if (condition === 'latest') return hasSeen(context, stored) ? undefined : { code: 'modified' };
  const live = isLive(stored, properties, nowMicros);
  if (condition === 'absent') return live ? { code: 'match_found' } : undefined;
  if (!live) return { code: 'notfound' };
  return stored.clock.equals(context) ? undefined : { code: 'modified' };
}

/** Whether a write from that history supersedes all that is stored. */
export function hasSeen(history: VersionVector, stored: VersionedObject | undefined): boolean {
  if (stored === undefined) return true;
  // By the writes that are there, not by the clock: that may have been pruned.
  return stored.dots.every((dot) =>
    dot === undefined ? history.descends(stored.clock) : history.covers(dot),
  );
}
