/**
 * Conditional writes of buckets that ask for more than a check before the write (`conditional` is `serialised`): one node
 * decides those of a key, one after the other, between a read and a write of most primaries.
 *
 * Who decides is the first primary of the key that can be reached. Nodes may differ about who that is, so it is for
 * order and not for safety. What is safe is kept where replicas store:
 *
 * S1  A conditional write is *fenced*: a vnode takes it only if it has seen everything that the vnode holds; over a damaged
 *     copy, of which nobody knows what it had seen, it takes none.
 * S2  It is acknowledged only when most primaries have taken it. Two of those that were made from the same version need
 *     one vnode that takes both, which S1 forbids: so at most one of them is acknowledged.
 * S3  A refusal (`match_found`, `modified`, `notfound`) says that nothing was written; every other failure says nothing.
 */

import type { VersionVector } from '../clocks/index.ts';
import { primariesOf } from '../core/ring/index.ts';
import type { Clock, Instant, Tasks } from '../environment/index.ts';
import type { BucketProperties } from './bucket-properties.ts';
import {
  type CoordinatorParts,
  coordinateGet,
  coordinatePut,
  fencedOptions,
  forwardPut,
  holdersOfWrite,
  majorityOf,
  type PreparedWrite,
  type WriteOutcome,
} from './coordinator/index.ts';
import { KeyQueues } from './key-queues.ts';
import { addressName } from './key-value-store.ts';
import type { KvError } from './kv-error.ts';
import { quorumCount } from './quorum-value.ts';
import { conditionFailure } from './write-condition.ts';

type Done = (outcome: WriteOutcome) => void;

export class SerialisedWrites {
  readonly #coordinator: CoordinatorParts;
  readonly #clock: Clock;
  readonly #queues: KeyQueues;

  /** `waitingMax`: requests that wait for one key; absent: `keyQueueMaxDefault`. */
  constructor(
    coordinator: CoordinatorParts,
    environment: { readonly clock: Clock; readonly tasks: Tasks },
    waitingMax?: number,
  ) {
    this.#coordinator = coordinator;
    this.#clock = environment.clock;
    this.#queues = new KeyQueues(environment.tasks, waitingMax);
  }

  /** Of a client: decided here, or sent to who decides. Calls `done` once. */
  write(write: PreparedWrite, properties: BucketProperties, done: Done): void {
    // Fewer replicas than the bucket keeps could be others than the next write asks.
    const whole = { ...write, options: { ...write.options, nVal: undefined } };
    const holders = holdersOfWrite(this.#coordinator, write.address, whole.options, properties);
    if ('code' in holders) {
      done({ kind: 'failed', error: holders });
      return;
    }
    const [first] = primariesOf(holders.all);
    if (first === undefined || first.node === this.#coordinator.topology.self) {
      this.decide(whole, properties, (outcome) => {
        done(outcome.kind === 'declined' ? failed({ code: 'overload' }) : outcome);
      });
    } else {
      forwardPut(this.#coordinator, whole, { properties, n: holders.n, replicas: [first], done });
    }
  }

  /** Of a client, or of a node that takes this one for the one that decides. */
  decide(write: PreparedWrite, properties: BucketProperties, done: Done): void {
    const startedAt = this.#clock.now();
    const name = addressName(write.address);
    const start = (): void =>
      this.#decide(write, properties, startedAt, (outcome) => {
        this.#queues.leave(name);
        this.#coordinator.observer.serialisedWrite?.(outcome.kind === 'written' ? 'stored' : 'failed');
        done(outcome);
      });
    if (!this.#queues.enter(name, start)) done(failed({ code: 'overload' }));
  }

  #decide(write: PreparedWrite, properties: BucketProperties, startedAt: Instant, done: Done): void {
    const leftMs = this.#leftMs(write, startedAt);
    if (leftMs <= 0) {
      done(failed({ code: 'timeout' }));
      return;
    }
    const most = quorumCount(majorityOf(properties.n_val));
    const { sloppyQuorum } = write.options;
    const quorums = { r: most, pr: most, notfoundOk: true, sloppyQuorum, timeoutMs: leftMs };
    coordinateGet(this.#coordinator, { ...write.address, ...quorums }, properties, (outcome) => {
      if (outcome.kind === 'failed') {
        done(outcome);
        return;
      }
      const refusal = conditionFailure(write, outcome.object, properties, this.#clock.wallMicros());
      if (refusal === undefined) this.#store(write, outcome.object?.clock, properties, startedAt, done);
      else done(failed(refusal));
    });
  }

  #store(
    write: PreparedWrite,
    seen: VersionVector | undefined,
    properties: BucketProperties,
    startedAt: Instant,
    done: Done,
  ): void {
    const timeoutMs = Math.max(1, this.#leftMs(write, startedAt));
    const fenced: PreparedWrite = {
      ...write,
      options: { ...fencedOptions(write.options, properties), timeoutMs },
      context: seen ?? write.context,
      condition: 'latest',
      isForwarded: true,
    };
    coordinatePut(this.#coordinator, fenced, properties, (outcome) => {
      const isTaken = outcome.kind === 'failed' && outcome.error.code === 'modified';
      // This node holds what the read has not seen: somebody else has decided meanwhile.
      if (isTaken && write.condition === 'absent') done(failed({ code: 'match_found' }));
      else done(outcome);
    });
  }

  #leftMs({ options }: PreparedWrite, startedAt: Instant): number {
    const timeoutMs = options.timeoutMs || this.#coordinator.settings.requestTimeoutMs;
    return timeoutMs - (this.#clock.now() - startedAt);
  }
}

function failed(error: KvError): WriteOutcome {
  return { kind: 'failed', error };
}
