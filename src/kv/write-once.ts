/**
 * Writes to buckets whose objects are written once (spec: semantics §10): they go straight to all replicas, without a
 * coordinator, without a context and without a read before. Which of two writes of a key stays is decided where they
 * meet (M4). A tombstone is such a write too, so that the order of all that a key may hold is one.
 */
import { actorId, VersionVector } from '../clocks/index.ts';
import type { Random } from '../environment/index.ts';
import { byteStringOf } from '../stdx/index.ts';
import type { PreparedWrite } from './coordinator/index.ts';
import { asisObject, writeOnceObject } from './object/index.ts';

const actorIdBytes = 8;
const firstEpoch = 1;

/** Contexts and conditions say nothing here, as in Riak. A copy from elsewhere keeps its clock. */
export function preparedOnce(write: PreparedWrite, random: Random): PreparedWrite {
  const { context, content, asis } = write;
  const whole = asis
    ? asisObject(context, content, true)
    : writeOnceObject(actorId(byteStringOf(random.bytes(actorIdBytes)), firstEpoch), content);
  return { ...write, context: VersionVector.empty, condition: 'none', asis: true, whole };
}
