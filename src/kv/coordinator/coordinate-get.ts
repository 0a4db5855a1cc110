/**
 * Drives one read: asks the replicas, answers when the quorum says so, and repairs what was stale
 * once everybody has answered or the deadline has passed (Dynamo §4.7, read repair).
 *
 * This node's own copy is read first, which takes no waiting; the others are asked for their object unless it is that
 * version. Without a copy here the nearest replica is asked for its object and the others for digests (D9). Replicas that the
 * quorum does not need are asked only if something is amiss (`NarrowReads`).
 */
import { distinctNodes, type PreferenceList, primariesOf, type Replica } from '../../core/ring/index.ts';
import { Deadline } from '../../core/vnode/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { GetRequest } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import { resolveQuorum } from '../quorum-value.ts';
import { ObjectKey, type ReplicaReply } from '../vnode/index.ts';
import { AskAgain, type SecondLook } from './ask-again.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import type { LargeReadTurn } from './large-read-pace.ts';
import { StandIns } from './next-fallback.ts';
import { type ReadDecision, ReadQuorum, type ReadReply, type ReadRequirements } from './read-quorum.ts';
import { RemoteReads } from './remote-reads.ts';
import { repairAfterRead } from './repair-after-read.ts';

export type ReadOutcome =
  | { readonly kind: 'read'; readonly object: VersionedObject | undefined }
  | { readonly kind: 'failed'; readonly error: KvError };

/** A read whose options have been resolved against the bucket's properties. */
interface PreparedRead {
  readonly replicas: PreferenceList;
  readonly n: number;
  readonly need: ReadRequirements;
}

export function coordinateGet(
  parts: CoordinatorParts,
  request: GetRequest,
  properties: BucketProperties,
  done: (outcome: ReadOutcome) => void,
): void {
  const prepared = prepareRead(parts, request, properties);
  if ('code' in prepared) {
    done({ kind: 'failed', error: prepared });
    return;
  }
  new ReadOperation(parts, request, properties, prepared, done).start();
}

function prepareRead(
  { names, topology }: CoordinatorParts,
  request: GetRequest,
  properties: BucketProperties,
): PreparedRead | KvError {
  const n = request.nVal ?? properties.n_val;
  if (n > properties.n_val || n < 1) return { code: 'n_val_violation', nVal: properties.n_val };
  const r = resolveQuorum(request.r, properties.r, n);
  const pr = resolveQuorum(request.pr, properties.pr, n);
  const nodeConfirms = resolveQuorum(request.nodeConfirms, properties.node_confirms, n);
  if (Math.max(r, pr, nodeConfirms) > n) return { code: 'n_val_violation', nVal: n };
  const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
  const all = topology.preferenceList(topology.ring.partitionOf(names.of(request, bucketOnly)), n);
  const replicas = request.sloppyQuorum === false ? primariesOf(all) : all;
  if (replicas.length === 0) return { code: 'all_nodes_down' };
  if (pr > 0) {
    const up = primariesOf(all).length;
    if (pr > up) return { code: 'quorum_unsatisfied', quorum: 'pr', wanted: pr, got: up };
  }
  if (r > replicas.length) return { code: 'insufficient_vnodes', up: replicas.length, needed: r };
  if (nodeConfirms > 0) {
    const nodes = distinctNodes(replicas);
    if (nodeConfirms > nodes) return { code: 'insufficient_nodes', up: nodes, needed: nodeConfirms };
  }
  const notfoundOk = request.notfoundOk ?? properties.notfound_ok;
  const basicQuorum = request.basicQuorum ?? properties.basic_quorum;
  return { replicas, n, need: { r, pr, nodeConfirms, notfoundOk, basicQuorum } };
}

class ReadOperation extends Deadline {
  readonly #parts: CoordinatorParts;
  readonly #request: GetRequest;
  readonly #properties: BucketProperties;
  #replicas: PreferenceList;
  readonly #key: ObjectKey;
  readonly #need: ReadRequirements;
  readonly #quorum: ReadQuorum;
  readonly #done: (outcome: ReadOutcome) => void;
  #remotes: RemoteReads | undefined;
  /** This node has primaries of the key that a narrow read has left alone. */
  #isOwnSpared = false;
  /** Once a node did not take a request of this read. */
  #standIns: StandIns | undefined;
  /** Primaries that did not take the question (R9). */
  #lost: Replica[] | undefined;
  #secondLook: AskAgain | undefined;
  #earlyLook: AskAgain | undefined;
  /** Of a read that brings a large value. */
  #turn: LargeReadTurn | undefined;
  #answered = false;
  #finished = false;

  constructor(
    parts: CoordinatorParts,
    request: GetRequest,
    properties: BucketProperties,
    { replicas, n, need }: PreparedRead,
    done: (outcome: ReadOutcome) => void,
  ) {
    super();
    this.#parts = parts;
    this.#request = request;
    this.#properties = properties;
    this.#replicas = replicas;
    this.#key = new ObjectKey(request);
    this.#need = need;
    this.#quorum = new ReadQuorum(replicas, n, need);
    this.#done = done;
  }

  start(): void {
    const { topology, deadlines, narrowReads } = this.#parts;
    const timeoutMs = this.#timeoutMs;
    let askedFirst = narrowReads.askedFirst(this.#replicas, this.#need);
    let remotes = 0;
    let fallbacks = 0;
    let readHere = 0;
    this.#replicas.forEach((replica, position) => {
      if (replica.node !== topology.self) remotes += 1;
      else if (!replica.primary) fallbacks += 1;
      // What is here may be all that is amiss, and is known at once.
      else if (readHere === 0 || askedFirst === undefined || !this.#quorum.isUnanimous) {
        this.#readHere(replica, position);
        readHere += 1;
      } else this.#isOwnSpared = true;
    });
    if (fallbacks > 0) this.#readFallbacksHere();
    if (!this.#quorum.isUnanimous) askedFirst = undefined;
    if (remotes > 0) this.#readElsewhere(askedFirst === undefined ? undefined : askedFirst - readHere);
    if (!this.#isOver) deadlines.set(this, timeoutMs);
  }

  override expired(): void {
    const found = this.#secondLook?.found;
    if (found !== undefined) this.#found(found);
    // Of a read that found nothing, too: who may know better has not said (R9).
    this.#answer({ kind: 'failed', error: { code: 'timeout' } });
    this.#finish();
  }

  get #timeoutMs(): number {
    return this.#request.timeoutMs || this.#parts.settings.requestTimeoutMs;
  }

  /** All has been heard, and the client has its answer. */
  get #isOver(): boolean {
    if (this.#remotes?.isHeard === true) return this.#answered;
    return this.#quorum.complete && (this.#answered || this.#secondLook === undefined);
  }

  /** After what this node holds as a primary: fallbacks alone may make a quorum, and have less. */
  #readFallbacksHere(): void {
    this.#replicas.forEach((replica, position) => {
      const isHere = replica.node === this.#parts.topology.self && !replica.primary;
      if (isHere) this.#readHere(replica, position);
    });
  }

  /** A get of this node's own vnode answers before it returns. */
  #readHere(replica: Replica, position: number): void {
    const replied = (reply: ReplicaReply): void => {
      if (reply.kind === 'object' || reply.kind === 'notfound' || reply.kind === 'failed') {
        this.#replied(position, reply);
      }
    };
    this.#parts.replicas.send(replica, { kind: 'get', key: this.#key }, replied, this.#timeoutMs);
  }

  #readElsewhere(askedFirst: number | undefined): void {
    const { largeReads } = this.#parts;
    const local = this.#quorum.merged;
    const remotes = new RemoteReads({
      parts: this.#parts,
      replicas: this.#replicas,
      key: this.#key,
      timeoutMs: this.#timeoutMs,
      local,
      askedFirst,
      late: () => this.#widen(),
      heard: (position, reply) => this.#replied(position, reply),
      standInFor: (position) => this.#replace(position),
    });
    this.#remotes = remotes;
    // With a copy here no value travels, unless it is another version. Who has been answered would never end a turn.
    if (local === undefined && !this.#answered) this.#turn = largeReads.turnFor(this.#request, remotes);
    if (this.#turn === undefined) remotes.start();
    else largeReads.begin(this.#turn);
  }

  /** Asks everybody who was spared. */
  #widen(): void {
    this.#remotes?.widen();
    if (!this.#isOwnSpared) return;
    this.#isOwnSpared = false;
    const { self } = this.#parts.topology;
    let isFirst = true;
    this.#replicas.forEach((replica, position) => {
      if (replica.node !== self || !replica.primary) return;
      if (!isFirst) this.#readHere(replica, position);
      isFirst = false;
    });
  }

  /**
   * A fallback in the place of a replica that cannot be reached, while the client still waits and if the quorum may be
   * sloppy.
   */
  #replace(position: number): Replica | undefined {
    const { topology, observer } = this.#parts;
    if (this.#answered || this.#request.sloppyQuorum === false) return undefined;
    this.#standIns ??= new StandIns(topology);
    const replica = this.#standIns.next(this.#replicas, position);
    if (replica === undefined) return undefined;
    this.#lose(position);
    this.#replicas = this.#replicas.with(position, replica);
    observer.replicaReplaced();
    this.#decided(this.#quorum.replace(position, replica));
    return replica;
  }

  #lose(position: number): void {
    const replica = this.#replicas[position];
    if (!replica.primary) return;
    this.#lost ??= [];
    this.#lost.push(replica);
  }

  #replied(position: number, reply: ReadReply): void {
    const wasNotTaken =
      reply.kind === 'failed' && (reply.error === undefined || reply.error.code === 'overload');
    if (wasNotTaken) this.#lose(position);
    this.#decided(this.#quorum.reply(position, reply));
  }

  #decided(decision: ReadDecision): void {
    switch (decision.kind) {
      case 'waiting':
        this.#lookEarly();
        break;
      case 'met':
        if (decision.object === undefined) this.#missed();
        else this.#answer({ kind: 'read', object: decision.object });
        break;
      case 'failed':
        this.#answer(decision);
        break;
      default:
        unreachable(decision);
    }
    this.#widenIfAmiss();
    this.#endIfOver();
  }

  /** R11. */
  #widenIfAmiss(): void {
    const remotes = this.#remotes;
    if (remotes?.isNarrow !== true) return;
    if (!this.#quorum.isUnanimous || (remotes.isHeard && !this.#answered)) this.#widen();
  }

  #endIfOver(): void {
    if (!this.#isOver) return;
    this.#parts.deadlines.clear(this);
    this.#finish();
  }

  /** Nothing was found; perhaps not everybody was asked who might have it. */
  #missed(): void {
    if (this.#secondLook !== undefined) {
      if (this.#quorum.isCertainMiss) this.#answer({ kind: 'read', object: undefined });
      return;
    }
    const lost = this.#answered || this.#quorum.isCertainMiss ? [] : this.#unasked();
    if (lost.length === 0) {
      this.#answer({ kind: 'read', object: undefined });
      return;
    }
    this.#parts.observer.missDoubted();
    this.#secondLook = this.#askAgain(lost, (look) => this.#looked(look));
    this.#secondLook.start();
  }

  /** R12. */
  #lookEarly(): void {
    if (this.#answered || this.#earlyLook !== undefined || !this.#quorum.isHeldUp) return;
    const unasked = this.#unasked();
    if (unasked.length === 0) return;
    this.#earlyLook = this.#askAgain(unasked, (look) => {
      if (look.kind !== 'found' || look.nodes < this.#need.r) return;
      this.#found(look.object);
      this.#endIfOver();
    });
    this.#earlyLook.start();
  }

  #askAgain(replicas: readonly Replica[], done: (look: SecondLook) => void): AskAgain {
    const leftMs = this.#parts.deadlines.remainingMs(this) ?? this.#timeoutMs;
    return new AskAgain(this.#parts, this.#key, replicas, leftMs, done);
  }

  /** Primaries that did not take the question, and those that were not asked though they may answer. */
  #unasked(): readonly Replica[] {
    const { topology } = this.#parts;
    const unasked = [...(this.#lost ?? [])];
    for (const { partition, primary } of this.#replicas) {
      const node = topology.ring.ownerOf(partition);
      const isKnown = primary || unasked.some((replica) => replica.partition === partition);
      if (!isKnown && topology.mayAnswer(node)) unasked.push({ partition, node, primary: true });
    }
    return unasked;
  }

  #looked(look: SecondLook): void {
    if (look.kind === 'found') this.#found(look.object);
    else if (look.refused) this.#answer({ kind: 'failed', error: { code: 'overload' } });
    else this.#answer({ kind: 'read', object: undefined });
    this.#endIfOver();
  }

  #found(object: VersionedObject): void {
    this.#quorum.foundLate(object);
    this.#answer({ kind: 'read', object: this.#quorum.merged });
  }

  #answer(outcome: ReadOutcome): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#secondLook?.stop();
    this.#earlyLook?.stop();
    if (this.#turn !== undefined) this.#parts.largeReads.end(this.#turn);
    this.#done(outcome);
  }

  /** Once, and after the reply: nobody waits for a repair. */
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#remotes?.stop();
    repairAfterRead(this.#parts, {
      quorum: this.#quorum,
      replicas: this.#replicas,
      key: this.#key,
      properties: this.#properties,
      hasOwnN: this.#request.nVal !== undefined,
    });
  }
}
