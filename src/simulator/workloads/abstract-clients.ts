/**
 * Requests to an abstract cluster, one message after another.
 *
 * Real: each node's preference list, the fence at each replica (`admits`), `ReadQuorum`, `WriteQuorum`, the choice of
 * another fallback, objects and their clocks. Modelled: messages take a millisecond; a replica that cannot be reached is
 * given up after some seconds, or when liveness would have it so; what is not on the way of these decisions
 * (admission, digests, hedging, read repair) is left out.
 */
import { Buffer } from 'node:buffer';
import { type ActorId, actorId, VersionVector } from '../../clocks/index.ts';
import { type Partition, type PreferenceList, primariesOf, type Replica } from '../../core/ring/index.ts';
import type { NodeId } from '../../environment/index.ts';
import {
  nextFallback,
  type ReadDecision,
  ReadQuorum,
  type WriteDecision,
  WriteQuorum,
} from '../../kv/coordinator/index.ts';
import { putObject, type VersionedObject } from '../../kv/object/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { AbstractCluster, AbstractNode } from './abstract-cluster.ts';
import type { AbstractData, AbstractKey } from './abstract-data.ts';

const messageMs = 1;
/** Until a coordinator gives up a replica that does not answer. */
const unreachableMs = 3000;
/** The coordinator hears of the epoch for which it was refused. */
const newsMs = 60;
const movedStepsMax = 4;
const vnodeIdBytes = 8;

/** `sloppy`: fallbacks count. `strict`: primaries alone, as with `sloppy_quorum=false`. */
export type QuorumKind = 'sloppy' | 'strict';

export interface AbstractClientsOptions {
  readonly n: number;
  readonly quorum: number;
  readonly keys: readonly AbstractKey[];
}

interface Tried {
  readonly coordinator: AbstractNode;
  readonly replica: Replica;
  readonly step: number;
  readonly serve: (node: AbstractNode) => void;
  readonly failed: (why: 'unreached' | 'refused') => void;
}

export class AbstractClients {
  readonly #world: World;
  readonly #cluster: AbstractCluster;
  readonly #data: AbstractData;
  readonly #random: Prng;
  readonly #options: AbstractClientsOptions;
  readonly #actors = new Map<string, number>();
  readonly #acked = new Map<AbstractKey, VersionVector>();
  #writes = 0;

  constructor(cluster: AbstractCluster, data: AbstractData, options: AbstractClientsOptions) {
    this.#world = cluster.world;
    this.#cluster = cluster;
    this.#data = data;
    this.#random = cluster.world.random.fork('clients');
    this.#options = options;
  }

  get keys(): readonly AbstractKey[] {
    return this.#options.keys;
  }

  /** A key of which a replica lies in the partition; undefined: there is none. */
  keyAt(partition: Partition, ringSize: number): AbstractKey | undefined {
    const { keys, n } = this.#options;
    return keys.find(({ first }) => (partition - first + ringSize) % ringSize < n);
  }

  /** Reads a key at `coordinator`, and writes what supersedes it. False: one of the two was not answered. */
  async readAndWrite(
    coordinator: AbstractNode,
    kind: QuorumKind,
    key = this.#random.pick(this.#options.keys),
  ): Promise<boolean> {
    const read = await this.read(coordinator, key, kind);
    if (read.kind !== 'met') return false;
    const written = await this.write(coordinator, key, read.object?.clock ?? VersionVector.empty, kind);
    return written.kind === 'met';
  }

  read(coordinator: AbstractNode, key: AbstractKey, kind: QuorumKind): Promise<ReadDecision> {
    const { quorum, n } = this.#options;
    const need = { r: quorum, pr: 0, nodeConfirms: 0, notfoundOk: true, basicQuorum: false };
    const replicas = this.#replicasOf(coordinator, key, kind);
    return new Promise((resolve) => {
      if (replicas.length < quorum) {
        resolve(tooFew(replicas.length, quorum));
        return;
      }
      const counting = new ReadQuorum(replicas, n, need);
      const decide = (decision: ReadDecision): void => {
        if (decision.kind !== 'waiting') resolve(decision);
      };
      replicas.forEach((replica, position) => {
        this.#ask({
          coordinator,
          replica,
          step: 0,
          serve: ({ node }) => {
            const object = this.#data.get(node, replica.partition, key);
            decide(
              counting.reply(
                position,
                object === undefined ? { kind: 'notfound' } : { kind: 'object', object },
              ),
            );
          },
          failed: () => decide(counting.reply(position, { kind: 'failed', error: undefined })),
        });
      });
    });
  }

  async write(
    asked: AbstractNode,
    key: AbstractKey,
    context: VersionVector,
    kind: QuorumKind,
  ): Promise<WriteDecision> {
    const { quorum } = this.#options;
    const coordinator = await this.#coordinatorOf(asked, key, kind);
    if (coordinator === undefined) return tooFew(0, quorum);
    const replicas = this.#replicasOf(coordinator, key, kind);
    if (replicas.length < quorum) return tooFew(replicas.length, quorum);
    const own = replicas.findIndex(({ node }) => node === coordinator.node);
    const { dot, object } = this.#newVersion(coordinator, replicas[own]!, key, context);
    const decision = await this.#store(coordinator, key, object, replicas, kind);
    if (decision.kind === 'met') {
      const before = this.#acked.get(key) ?? VersionVector.empty;
      if (!before.covers(dot)) this.#acked.set(key, before.with(dot, 0));
      this.#world.work.add('writes acknowledged');
    }
    return decision;
  }

  /** What was acknowledged is known to the present owners, or superseded. */
  checkAcked(): void {
    for (const [key, acked] of this.#acked) {
      const known = this.#data.knownOf(key)?.clock ?? VersionVector.empty;
      if (!known.descends(acked)) throw new Error(`acknowledged and lost: a write of ${key.name}`);
      this.#world.work.add('keys with all that was acknowledged');
    }
  }

  #replicasOf({ topology }: AbstractNode, { first }: AbstractKey, kind: QuorumKind): PreferenceList {
    const all = topology.preferenceList(first, this.#options.n);
    return kind === 'strict' ? primariesOf(all) : all;
  }

  /**
   * The node that was asked if it holds a replica, else the first that it can forward to. Who is asked so and holds
   * none any more says `moved`, and the asker tries again when it has heard of that.
   */
  async #coordinatorOf(
    asked: AbstractNode,
    key: AbstractKey,
    kind: QuorumKind,
  ): Promise<AbstractNode | undefined> {
    for (let step = 0; step <= movedStepsMax; step++) {
      const replicas = this.#replicasOf(asked, key, kind);
      if (replicas.some(({ node }) => node === asked.node)) return asked;
      const found = replicas.find(({ node }) => this.#cluster.reaches(asked.node, node));
      const other = found && this.#cluster.node(found.node);
      if (other === undefined) return undefined;
      const isHolder = this.#replicasOf(other, key, kind).some(({ node }) => node === other.node);
      if (isHolder) return other;
      this.#world.work.add('writes forwarded again');
      await this.#world.sleep(newsMs);
    }
    return undefined;
  }

  #newVersion({ node }: AbstractNode, { partition }: Replica, key: AbstractKey, context: VersionVector) {
    this.#writes += 1;
    const dot = { actor: this.#actorOf(node, partition), counter: this.#writes };
    const value = Buffer.from(`write ${this.#writes}`);
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const local = this.#data.get(node, partition, key);
    const rules = { seconds: 0, allowMult: true, lastWriteWins: false };
    return { dot, object: putObject(local, { context, content, dot, ...rules }) };
  }

  /** One for each vnode: what it holds for one partition says nothing of another. */
  #actorOf(node: NodeId, partition: Partition): ActorId {
    const name = `${node} ${partition}`;
    const number = this.#actors.get(name) ?? this.#actors.size;
    this.#actors.set(name, number);
    return actorId(byteLiteral(`v${number}`.padEnd(vnodeIdBytes)), 1);
  }

  #store(
    coordinator: AbstractNode,
    key: AbstractKey,
    object: VersionedObject,
    replicas: PreferenceList,
    kind: QuorumKind,
  ): Promise<WriteDecision> {
    const { n, quorum } = this.#options;
    const need = { w: quorum, dw: quorum, pw: 0, nodeConfirms: 0 };
    return new Promise((resolve) => {
      const counting = new WriteQuorum(replicas, n, need);
      let stored = 0;
      const failedNodes = new Set<NodeId>();
      const decide = (decision: WriteDecision): void => {
        if (decision.kind === 'met' && stored < quorum) {
          throw new Error(`acknowledged when ${stored} had stored it, not ${quorum}`);
        }
        if (decision.kind !== 'waiting') resolve(decision);
      };
      const send = (replica: Replica, position: number): void => {
        this.#ask({
          coordinator,
          replica,
          step: 0,
          serve: (node) => {
            const isStored = this.#data.put(node, replica.partition, key, object);
            if (isStored) stored += 1;
            decide(
              counting.reply(position, isStored ? { kind: 'stored' } : { kind: 'failed', error: undefined }),
            );
          },
          failed: (why) => {
            failedNodes.add(replica.node);
            const instead =
              kind === 'sloppy' && why === 'unreached'
                ? nextFallback(coordinator.topology, replicas, failedNodes)
                : undefined;
            if (instead === undefined) {
              decide(counting.reply(position, { kind: 'failed', error: undefined }));
              return;
            }
            const other = { partition: replica.partition, node: instead, primary: false };
            counting.replace(position, other, false);
            this.#world.work.add('fallbacks found in the middle of a write');
            send(other, position);
          },
        });
      };
      replicas.forEach(send);
    });
  }

  #ask(tried: Tried): void {
    const { coordinator, replica } = tried;
    const { epoch } = coordinator.topology;
    const isOwn = replica.node === coordinator.node;
    this.#world.after(isOwn ? 0 : messageMs, () => {
      const node = this.#cluster.node(replica.node);
      if (node === undefined || !this.#cluster.reaches(coordinator.node, replica.node)) {
        this.#world.after(unreachableMs, () => tried.failed('unreached'));
        return;
      }
      const verdict = node.topology.admits(replica.partition, epoch, replica.primary);
      // What a node asks of itself is by one state.
      if (isOwn || verdict === 'serve') {
        this.#data.checkServes(node, replica.partition);
        this.#checkOwner(node, replica);
        tried.serve(node);
        return;
      }
      this.#world.work.add('requests refused as moved');
      this.#world.after(newsMs, () => this.#followMove(tried));
    });
  }

  /** Who is asked as the owner is it by its own state, or hears of that from the asker. */
  #checkOwner({ node, topology }: AbstractNode, { partition, primary }: Replica): void {
    if (!primary || this.#cluster.state.owners[partition] === node) return;
    const move = this.#cluster.state.moves.get(partition);
    const isOverdue = move === undefined && topology.epoch < this.#cluster.state.epoch;
    const isForwarding = move?.from === node || isOverdue;
    if (!isForwarding) throw new Error(`${node} serves partition ${partition} as its owner, and is not`);
  }

  #followMove(tried: Tried): void {
    const { coordinator, replica, step } = tried;
    const owner = coordinator.topology.ring.ownerOf(replica.partition);
    if (step >= movedStepsMax) tried.failed('refused');
    else {
      const next = { partition: replica.partition, node: owner, primary: true };
      this.#ask({ ...tried, replica: next, step: step + 1 });
    }
  }
}

function tooFew(got: number, wanted: number) {
  return { kind: 'failed', error: { code: 'quorum_unsatisfied', quorum: 'r', wanted, got } } as const;
}
