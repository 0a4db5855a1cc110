/** Coordinates a write that another node took and could not coordinate itself. */
import { assert } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { decodeDatatypeWrite } from '../datatype/index.ts';
import type { ReplicaCoordinate, ReplicaReply } from '../vnode/index.ts';
import { coordinatePut } from './coordinate-put.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import type { PreparedWrite, WriteOutcome } from './prepared-write.ts';
import { requestByRules } from './write-plan.ts';

/** Carries out a conditional write of a bucket where one node decides them. */
export type DecideWrite = (
  write: PreparedWrite,
  properties: BucketProperties,
  done: (outcome: WriteOutcome) => void,
) => void;

/** `others`: properties that the rules of the write do not name. */
export function coordinateForwarded(
  parts: CoordinatorParts,
  request: ReplicaCoordinate,
  others: BucketProperties,
  reply: (reply: ReplicaReply) => void,
  decide: DecideWrite,
): void {
  const { key, context, content, isUpdate, condition, wantsObject, timeoutMs } = request;
  const update = isUpdate ? decodeDatatypeWrite(content) : undefined;
  assert(!isUpdate || update !== undefined, 'an update that cannot be read is refused where it arrives');
  const { options, properties } = requestByRules(request.rules, others);
  const write = {
    address: key.address,
    options: { ...options, timeoutMs },
    context,
    content,
    update,
    condition,
    asis: false,
    wantsObject,
    isForwarded: true,
  };
  const isDecided = request.rules.serialised && condition !== 'none';
  const coordinate: DecideWrite = (...asked) =>
    isDecided ? decide(...asked) : coordinatePut(parts, ...asked);
  coordinate(write, properties, (outcome) => {
    if (outcome.kind === 'written') {
      reply({ kind: 'coordinated', object: wantsObject ? outcome.object : undefined });
    } else reply(outcome);
  });
}
