/**
 * Drives one write: this node's vnode in the preference list merges it under a new dot, the result
 * goes to the other replicas in the same turn, and the client hears when the quorum is met.
 *
 * The result may reach a replica before it is on this node's disk. If this node then forgets it, the
 * vnode's next epoch keeps the dot from being used again (see `VnodeIdentities`).
 */
import type { PreferenceList, Replica } from '../../core/ring/index.ts';
import { Deadline } from '../../core/vnode/index.ts';
import type { NodeId } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Durability } from '../../storage/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { DatatypeDelta, DatatypeWrite } from '../datatype/index.ts';
import type { KvError } from '../kv-error.ts';
import { asisObject, type Pruning, type VersionedObject } from '../object/index.ts';
import { siblingCapOf } from '../sibling-cap/index.ts';
import {
  type CoordinatedPutResult,
  ObjectKey,
  type ReplicaDelta,
  type ReplicaPut,
  type ReplicaReply,
} from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import { coordinateElsewhere } from './forward-put.ts';
import { StandIns } from './next-fallback.ts';
import type { PreparedWrite, WriteOutcome } from './prepared-write.ts';
import { pruneLimitsOf, type WriteHolders } from './write-plan.ts';
import { type WriteDecision, WriteQuorum, type WriteReply, type WriteRequirements } from './write-quorum.ts';

export class WriteOperation extends Deadline {
  readonly #parts: CoordinatorParts;
  readonly #write: PreparedWrite;
  readonly #properties: BucketProperties;
  readonly #announce: boolean;
  readonly #key: ObjectKey;
  readonly #quorum: WriteQuorum;
  readonly #done: (outcome: WriteOutcome) => void;
  readonly #holders: WriteHolders;
  #replicas: PreferenceList;
  #object: VersionedObject | undefined;
  #delta: DatatypeDelta | undefined;
  #pruning: Pruning | undefined;
  #answered = false;
  /** Once a node was not reached. */
  #standIns: StandIns | undefined;
  #sentAgain: Set<number> | undefined;
  /** Of a write that may wait for more than its quorum (W8). */
  #patience: Patience | undefined;

  constructor(
    parts: CoordinatorParts,
    write: PreparedWrite,
    properties: BucketProperties,
    holders: WriteHolders,
    need: WriteRequirements,
    done: (outcome: WriteOutcome) => void,
  ) {
    super();
    this.#parts = parts;
    this.#write = write;
    this.#properties = properties;
    this.#holders = holders;
    this.#replicas = holders.replicas;
    this.#announce = need.w > need.dw;
    this.#key = new ObjectKey(write.address, holders.ringHash);
    this.#quorum = new WriteQuorum(holders.replicas, holders.n, need);
    this.#done = done;
  }

  /** `coordinator`: the position of this node's vnode; -1: of nobody's. */
  start(coordinator: number): void {
    const object = this.#write.asis
      ? (this.#write.whole ?? asisObject(this.#write.context, this.#write.content))
      : this.#coordinate(coordinator);
    if (object === undefined) return;
    this.#object = object;
    this.#replicate(object, coordinator);
    if (this.#quorum.complete) return;
    this.#parts.deadlines.set(this, this.#timeoutMs);
    if (mayWaitForMore(this.#replicas)) this.#setPatience();
  }

  override expired(): void {
    this.#answer({ kind: 'failed', error: { code: 'timeout' } });
  }

  get #timeoutMs(): number {
    return this.#write.options.timeoutMs || this.#parts.settings.requestTimeoutMs;
  }

  /** Milliseconds that the client still waits. */
  get #leftMs(): number {
    return this.#parts.deadlines.remainingMs(this) ?? this.#timeoutMs;
  }

  #coordinate(position: number): VersionedObject | undefined {
    const result =
      this.#write.update === undefined
        ? this.#coordinateWrite(position)
        : this.#coordinateUpdate(position, this.#write.update);
    switch (result.kind) {
      case 'merged':
        this.#delta = result.delta;
        this.#pruning = result.pruning;
        return result.object;
      case 'unreadable':
        if (this.#write.isForwarded || this.#hasOtherNodes()) this.#coordinateElsewhere();
        else this.#answer({ kind: 'failed', error: result.error });
        return undefined;
      case 'failed':
        this.#answer(result);
        return undefined;
      default:
        return unreachable(result);
    }
  }

  #coordinateWrite(position: number): CoordinatedPutResult {
    const { vnodes, clock, topology } = this.#parts;
    const { context, content, condition } = this.#write;
    const properties = this.#properties;
    return vnodes.coordinatePut(
      this.#replicas[position].partition,
      {
        key: this.#key,
        context,
        content,
        condition,
        mayBeRepeated: this.#write.isForwarded,
        siblings: properties,
        cap: siblingCapOf(properties),
        prune: pruneLimitsOf(properties),
        durability: this.#durability(true),
        nowMicros: clock.wallMicros(),
      },
      (error) =>
        this.#heard(topology.self, position, error === undefined ? stored : { kind: 'failed', error }),
    );
  }

  #coordinateUpdate(position: number, write: DatatypeWrite): CoordinatedPutResult {
    const { vnodes, topology } = this.#parts;
    return vnodes.coordinateUpdate(
      this.#replicas[position].partition,
      {
        key: this.#key,
        write,
        prune: pruneLimitsOf(this.#properties),
        durability: this.#durability(true),
      },
      (error) =>
        this.#heard(topology.self, position, error === undefined ? stored : { kind: 'failed', error }),
    );
  }

  #coordinateElsewhere(): void {
    coordinateElsewhere(this.#parts, this.#write, this.#properties, this.#holders, this.#done);
  }

  #hasOtherNodes(): boolean {
    const { self } = this.#parts.topology;
    return this.#replicas.some((replica) => replica.node !== self);
  }

  #replicate(object: VersionedObject, coordinator: number): void {
    const message = this.#messageOf(object);
    if (this.#announce && coordinator >= 0) this.#replied(coordinator, { kind: 'accepted' });
    const delta = this.#delta === undefined ? undefined : this.#messageOfDelta(this.#delta);
    this.#replicas.forEach((replica, position) => {
      if (position === coordinator) return;
      // What stays on this node is not copied: there the whole costs less.
      const isHere = delta === undefined || replica.node === this.#parts.topology.self;
      this.#send(replica, position, isHere ? message : delta, this.#timeoutMs);
    });
  }

  #messageOfDelta(delta: DatatypeDelta): ReplicaDelta {
    const durability = this.#durability(false);
    this.#parts.observer.deltaSent?.(delta.bytes.length);
    return { kind: 'delta', key: this.#key, delta, durability, announce: this.#announce };
  }

  #messageOf(object: VersionedObject): ReplicaPut {
    return {
      kind: 'put',
      key: this.#key,
      object,
      durability: this.#durability(false),
      purpose: this.#write.condition === 'latest' ? 'fenced' : 'write',
      announce: this.#announce,
      pruning: this.#pruning,
    };
  }

  #send(replica: Replica, position: number, message: ReplicaPut | ReplicaDelta, timeoutMs: number): void {
    this.#parts.replicas.send(
      replica,
      message,
      (reply) => this.#heard(replica.node, position, reply),
      timeoutMs,
    );
  }

  /** `sync_on_write`: `one` syncs at the coordinator, `all` everywhere, `backend` as the bucket says. */
  #durability(coordinator: boolean): Durability {
    const sync = this.#write.options.syncOnWrite ?? this.#properties.sync_on_write;
    if (sync === 'all' || (sync === 'one' && coordinator)) return 'synced';
    return this.#properties.durability;
  }

  #heard(node: NodeId, position: number, reply: ReplicaReply): void {
    // A node that was replaced at this position has no say any more.
    if (this.#replicas[position].node !== node) return;
    switch (reply.kind) {
      case 'accepted':
      case 'stored':
        this.#replied(position, reply);
        return;
      case 'failed':
        if (isOfTheNode(reply.error) && this.#replace(position, reply.error.code === 'overload')) return;
        this.#replied(position, reply);
        return;
      case 'unanswered':
        if (reply.reason === 'unreachable' && this.#sendAgain(position)) return;
        if (reply.reason !== 'timeout' && this.#replace(position, reply.reason === 'overload')) return;
        this.#replied(position, {
          kind: 'failed',
          error: reply.reason === 'overload' ? { code: 'overload' } : undefined,
        });
        return;
      case 'behind':
        this.#sendWhole(position);
        return;
      default:
        // Not an answer to a put: whoever gives it has not said that it stored anything.
        this.#replied(position, { kind: 'failed', error: undefined });
    }
  }

  #setPatience(): void {
    if (this.#patience !== undefined || this.#answered) return;
    this.#patience = new Patience(() => this.#decided(this.#quorum.stopWaiting()));
    this.#parts.deadlines.set(this.#patience, patienceMsMax);
  }

  /**
   * To a primary that liveness calls up, once: a connection that broke says little of the node, and storing twice changes
   * nothing. False: it was, or is not one, or nobody waits any longer.
   */
  #sendAgain(position: number): boolean {
    const replica = this.#replicas[position];
    const isUp = replica.primary && this.#parts.topology.isUp(replica.node);
    if (this.#answered || this.#object === undefined || !isUp || this.#sentAgain?.has(position)) return false;
    this.#sentAgain ??= new Set();
    this.#sentAgain.add(position);
    this.#quorum.askedAgain();
    this.#send(replica, position, this.#messageOf(this.#object), this.#leftMs);
    return true;
  }

  /**
   * Lets a fallback take the place of a replica that cannot be reached or cannot store, while the client still waits.
   * False: nobody can, or nobody may. `hasRefused`: nothing has happened there.
   */
  #replace(position: number, hasRefused: boolean): boolean {
    const { topology, observer } = this.#parts;
    if (this.#answered || this.#object === undefined || this.#write.options.sloppyQuorum === false)
      return false;
    this.#standIns ??= new StandIns(topology);
    const replica = this.#standIns.next(this.#replicas, position);
    if (replica === undefined) return false;
    this.#replicas = this.#replicas.with(position, replica);
    observer.replicaReplaced();
    this.#setPatience();
    this.#decided(this.#quorum.replace(position, replica, hasRefused));
    this.#send(replica, position, this.#messageOf(this.#object), this.#leftMs);
    return true;
  }

  /** To a replica that cannot take the delta. */
  #sendWhole(position: number): void {
    if (this.#object === undefined) return;
    this.#parts.observer.deltaRefused?.();
    this.#send(this.#replicas[position], position, this.#messageOf(this.#object), this.#leftMs);
  }

  #replied(position: number, reply: WriteReply): void {
    this.#decided(this.#quorum.reply(position, reply));
  }

  #decided(decision: WriteDecision): void {
    switch (decision.kind) {
      case 'waiting':
        break;
      case 'doomed':
        this.#setPatience();
        break;
      case 'met':
        this.#answer({ kind: 'written', object: this.#object });
        break;
      case 'failed':
        this.#answer(decision);
        break;
      default:
        unreachable(decision);
    }
    if (this.#quorum.complete) this.#parts.deadlines.clear(this);
  }

  #answer(outcome: WriteOutcome): void {
    if (this.#answered) return;
    this.#answered = true;
    if (this.#patience !== undefined) this.#parts.deadlines.clear(this.#patience);
    this.#done(outcome);
  }
}

/**
 * A replica that takes requests and does not answer: its disk stands still, or it was paused and liveness has not
 * noticed yet. For so long a write that enough replicas have waits for it (W8). About what liveness needs.
 */
export const patienceMsMax = 2000;

class Patience extends Deadline {
  override readonly expired: () => void;

  constructor(expired: () => void) {
    super();
    this.expired = expired;
  }
}

/** Whether replicas are not all that count at once, and another node's word is one to wait for (W8). */
function mayWaitForMore(replicas: PreferenceList): boolean {
  const [first] = replicas;
  let isElsewhere = false;
  let isShared = false;
  for (let position = 0; position < replicas.length; position += 1) {
    const { node, primary } = replicas[position];
    if (node !== first.node) isElsewhere = true;
    if (!primary) isShared = true;
    for (let earlier = 0; earlier < position; earlier += 1) {
      if (replicas[earlier].node === node) isShared = true;
    }
  }
  return isElsewhere && isShared;
}

const stored: ReplicaReply = { kind: 'stored' };

/** Another node may well do what this one could not: it has too much to do, or its disk is sick or full. */
function isOfTheNode({ code }: KvError): boolean {
  return code === 'overload' || code === 'storage';
}
