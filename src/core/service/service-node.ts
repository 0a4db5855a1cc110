/**
 * A service on a cluster, put together: membership, routing, the gate of moving partitions, and handoff. An
 * application brings what its vnodes do (`VnodeService`) and how their partitions are copied (`PartitionStore`), and
 * asks by name; nodes may join, leave and fail meanwhile.
 *
 * The database has more to put together (listings, anti-entropy, its registry), so it does that itself.
 */
import type { Address, Environment, Instant, NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { BackgroundWork, unknownForeground } from '../background/index.ts';
import { Cluster, type ClusterOptions } from '../cluster/index.ts';
import {
  HANDOFF_OPTIONS,
  type HandoffOptions,
  MoveGate,
  type PartitionStore,
  TransferScheduler,
  type WriteGate,
} from '../handoff/index.ts';
import type { Partition, Replica } from '../ring/index.ts';
import { channel } from '../transport/index.ts';
import { type PeerRequests, type VnodeCodec, VnodeRouter, type VnodeService } from '../vnode/index.ts';
import { type ChangeOutcome, changeMembers } from './change-members.ts';
import { clusterPeers, tellWhoIsUp } from './cluster-peers.ts';
import type { Outcome } from './outcome.ts';
import { firstPartition, partitionsOfName } from './service-place.ts';

export interface ServiceContext<Request> {
  readonly self: NodeId;
  /** Every write passes it; see `WriteGate`. */
  readonly gate: WriteGate<Request>;
  /** That hold `name`; the first is the one that its hash belongs to. */
  partitionsOf(name: string): readonly Partition[];
}

export interface PartitionService<Request, Answer> {
  readonly vnodes: VnodeService<Request, Outcome<Answer>>;
  readonly store: PartitionStore;
}

export interface ServiceNodeOptions<Request, Answer> {
  readonly cluster: Omit<ClusterOptions, 'isHeld'>;
  readonly codec: VnodeCodec<Request, Outcome<Answer>>;
  readonly serve: (context: ServiceContext<Request>) => PartitionService<Request, Answer>;
  /** Partitions that hold each name. */
  readonly replicas: number;
  /** Requests to one other node that wait for an answer. Default: 20,000. */
  readonly inFlightMax?: number;
  readonly handoff?: Omit<HandoffOptions, 'replicasMax'>;
}

export interface AskOptions {
  /** Replicas that must answer. Default: a majority of all. */
  readonly enough?: number;
  /** Default: 5,000. */
  readonly timeoutMs?: number;
}

/** Too few replicas answered, or a change of membership did not come about. Some may have done what was asked. */
export class ServiceUnavailableError extends Error {
  override readonly name = 'ServiceUnavailableError';
  readonly code = 'unavailable';
}

const askMsDefault = 5000;
const inFlightMaxDefault = 20_000;
/** A write that a moving partition's new owner does not confirm within this time has not reached it. */
const forwardTimeoutMs = 5000;
const missedWrites = { countMax: 10_000, bytesMax: 16 * 1024 * 1024 };
/** After `moved`, until the new state of the cluster is known here too. */
const lookAgainMs = 20;

export class ServiceNode<Request, Answer> implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly #environment: Environment;
  readonly #replicas: number;
  readonly #router: VnodeRouter<Request, Outcome<Answer>>;
  readonly #peers: PeerRequests<Request, Outcome<Answer>>;
  readonly #transfers: TransferScheduler;

  private constructor(cluster: Cluster, options: ServiceNodeOptions<Request, Answer>) {
    const { environment } = options.cluster;
    const { log, topology, messenger, liveness } = cluster;
    const { codec, replicas } = options;
    this.cluster = cluster;
    this.#environment = environment;
    this.#replicas = replicas;
    const gate = new MoveGate<Request>({
      self: topology.self,
      state: log.state,
      forward: (to, partition, request, done) => {
        const route = { timeoutMs: forwardTimeoutMs, traffic: 'foreground', primary: false } as const;
        this.#peers.send(to, partition, request, route, ({ kind }) => done(kind === 'answer'));
      },
      bytesOf: (request) => codec.requestBytes(request),
      missed: missedWrites,
    });
    const { vnodes, store } = options.serve({
      self: topology.self,
      gate,
      partitionsOf: (name) => partitionsOfName(topology.ring, name, replicas),
    });
    this.#peers = clusterPeers(cluster, {
      environment,
      local: vnodes,
      codec,
      on: channel.vnode,
      inFlightMax: options.inFlightMax ?? inFlightMaxDefault,
    });
    this.#router = new VnodeRouter(topology.self, vnodes, this.#peers);
    this.#transfers = new TransferScheduler({
      environment,
      background: new BackgroundWork(environment, unknownForeground),
      messenger,
      log,
      liveness,
      store,
      gate,
      report: (moves, what) =>
        log.reportReady(
          moves.map(({ partition }) => partition),
          what,
        ),
      strays: (hasStrays) => liveness.setHasStrays(hasStrays),
      isLoaded: () => false,
      refuses: () => undefined,
      options: { ...HANDOFF_OPTIONS, ...options.handoff, replicasMax: replicas },
    });
    this.#transfers.open();
    tellWhoIsUp(cluster, [this.#peers]);
  }

  /** Rejects as `Cluster.open` does. */
  static async open<Request, Answer>(
    options: ServiceNodeOptions<Request, Answer>,
  ): Promise<ServiceNode<Request, Answer>> {
    assert(options.replicas >= 1, 'a name is held somewhere');
    const cluster = await Cluster.open({ ...options.cluster, isHeld: true });
    const node = new ServiceNode(cluster, options);
    cluster.serve();
    return node;
  }

  /**
   * Asks every replica of a name (fallbacks for those that are down), and resolves with the answers of the first
   * `enough`, in the order in which they came; the others are asked all the same. Rejects with `ServiceUnavailableError`.
   */
  ask(name: string, request: Request, options: AskOptions = {}): Promise<readonly Answer[]> {
    const { enough = Math.floor(this.#replicas / 2) + 1, timeoutMs = askMsDefault } = options;
    const { topology } = this.cluster;
    const first = firstPartition(topology.ring, name);
    const replicas = topology.preferenceList(first, this.#replicas);
    assert(enough >= 1 && enough <= replicas.length, 'as many replicas can answer');
    const deadline = (this.#environment.clock.now() + timeoutMs) as Instant;
    return new Promise((resolve, reject) => {
      const answers: Answer[] = [];
      const failures: string[] = [];
      for (const replica of replicas) {
        this.#askReplica(first, replica, request, deadline, (outcome) => {
          if (outcome.kind === 'answer') answers.push(outcome.answer);
          else failures.push(outcome.kind === 'failed' ? outcome.reason : outcome.kind);
          if (outcome.kind === 'answer' && answers.length === enough) resolve([...answers]);
          // A promise that was resolved stays so.
          if (failures.length > replicas.length - enough) {
            const text = `${answers.length} of ${enough} replicas answered: ${failures.join(', ')}`;
            reject(new ServiceUnavailableError(text));
          }
        });
      }
    });
  }

  /**
   * Leaves the own cluster of one for that of the node at `seed` and takes a share of its ring. Resolves when that
   * is agreed; partitions move after it. Rejects with `ServiceUnavailableError`.
   */
  async join(seed: Address, timeoutMs: number): Promise<void> {
    const outcome = await this.cluster.join(seed);
    if (outcome.kind !== 'joined' && outcome.kind !== 'already') {
      throw new ServiceUnavailableError(`not joined: ${outcome.reason}`);
    }
    await this.#change('join', this.cluster.topology.self, timeoutMs);
  }

  /**
   * Hands all its partitions over. Resolves when this node holds none; then it may be closed. Ask other nodes from
   * the call on: who has left is answered by nobody.
   */
  async leave(timeoutMs: number): Promise<void> {
    const { log, topology } = this.cluster;
    await this.#change('leave', topology.self, timeoutMs);
    await this.#until(timeoutMs, 'partitions still move away', () => {
      const status = log.state.members.get(topology.self)?.status;
      return status === undefined || status === 'exiting';
    });
  }

  /** Gives up a node that will not come back: its partitions are made anew from the other replicas. */
  async remove(node: NodeId, timeoutMs: number): Promise<void> {
    await this.#change('remove', node, timeoutMs);
  }

  /** Resolves when no partition moves, as far as this node knows. */
  settled(timeoutMs: number): Promise<void> {
    const { log } = this.cluster;
    return this.#until(timeoutMs, 'partitions still move', () => log.state.moves.size === 0);
  }

  /** Falls silent; what it holds is not handed over: see `leave`. */
  async close(): Promise<void> {
    await this.#transfers.close();
    this.#peers.close();
    await this.cluster.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Calls `told` once. What has `moved` was not done, so it is sent to the new owner. */
  #askReplica(
    first: Partition,
    replica: Replica,
    request: Request,
    deadline: Instant,
    told: (outcome: Outcome<Answer>) => void,
  ): void {
    const { clock, timers } = this.#environment;
    const leftMs = deadline - clock.now();
    if (leftMs <= 0) {
      told({ kind: 'failed', reason: 'timeout' });
      return;
    }
    const answered = (outcome: Outcome<Answer>): void => {
      if (outcome.kind !== 'moved') {
        told(outcome);
        return;
      }
      timers.after(lookAgainMs, () => {
        const { topology } = this.cluster;
        const { partition } = replica;
        const now = topology.preferenceList(first, this.#replicas).find((one) => one.partition === partition);
        this.#askReplica(first, now ?? replica, request, deadline, told);
      });
    };
    this.#router.send(replica, request, answered, leftMs);
  }

  async #change(kind: 'join' | 'leave' | 'remove', node: NodeId, timeoutMs: number): Promise<void> {
    const outcome: ChangeOutcome = await changeMembers(
      this.cluster.log,
      { kind, node },
      this.#environment,
      timeoutMs,
    );
    if (outcome.kind === 'done') return;
    const reason = outcome.kind === 'refused' ? outcome.refusal.reason : outcome.reason;
    throw new ServiceUnavailableError(`no ${kind} of ${node}: ${reason}`);
  }

  async #until(timeoutMs: number, otherwise: string, holds: () => boolean): Promise<void> {
    const { clock, timers } = this.#environment;
    const end = clock.now() + timeoutMs;
    while (!holds()) {
      if (clock.now() >= end) throw new ServiceUnavailableError(otherwise);
      await new Promise<void>((resolve) => {
        timers.after(lookAgainMs, resolve);
      });
    }
  }
}
