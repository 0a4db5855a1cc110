/**
 * What this node does for others: its vnodes answer for their replicas, and it coordinates writes that were sent to
 * it, as far as it takes any work at all.
 */
import type { Partition } from '../core/ring/index.ts';
import type { VnodeService } from '../core/vnode/index.ts';
import type { Admission } from './admission.ts';
import type { BucketProperties } from './bucket-properties.ts';
import { type CoordinatorParts, coordinateForwarded, type DecideWrite } from './coordinator/index.ts';
import type { ReplicaCoordinate, ReplicaReply, ReplicaRequest } from './vnode/index.ts';

export class ReplicaService implements VnodeService<ReplicaRequest, ReplicaReply> {
  readonly #coordinator: CoordinatorParts;
  readonly #admission: Admission;
  readonly #defaults: BucketProperties;
  readonly #decide: DecideWrite;

  constructor(
    coordinator: CoordinatorParts,
    admission: Admission,
    defaults: BucketProperties,
    decide: DecideWrite,
  ) {
    this.#decide = decide;
    this.#coordinator = coordinator;
    this.#admission = admission;
    this.#defaults = defaults;
  }

  handle(partition: Partition, request: ReplicaRequest, reply: (reply: ReplicaReply) => void): void {
    if (request.kind === 'coordinate') this.#coordinate(request, reply);
    else if (isRefused(request, this.#admission)) {
      reply({ kind: 'failed', error: { code: 'overload' } });
    } else this.#coordinator.vnodes.handle(partition, request, reply);
  }

  #coordinate(request: ReplicaCoordinate, reply: (reply: ReplicaReply) => void): void {
    const { clock } = this.#coordinator;
    const startedAt = clock.now();
    if (this.#admission.refusal('forwarded', startedAt) !== undefined) {
      reply({ kind: 'declined' });
      return;
    }
    this.#admission.enter('forwarded', startedAt);
    const replied = (last: ReplicaReply): void => {
      const now = clock.now();
      this.#admission.leave('forwarded', last.kind === 'coordinated' ? now - startedAt : undefined, now);
      reply(last);
    };
    coordinateForwarded(this.#coordinator, request, this.#defaults, replied, this.#decide);
  }
}

function isRefused(request: ReplicaRequest, admission: Admission): boolean {
  if (request.kind === 'put') return !admission.takesReplicaWrite(request.purpose);
  return request.kind === 'delta' && !admission.takesReplicaWrite('write');
}
