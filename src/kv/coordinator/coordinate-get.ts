/**
 * Drives one read: asks the replicas, answers when the quorum says so, and repairs what was stale
 * once everybody has answered or the deadline has passed (Dynamo §4.7, read repair).
 */
import { distinctNodes, type PreferenceList, primariesOf } from '../../core/ring/index.ts';
import { Deadline } from '../../core/vnode/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { GetRequest } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import { resolveQuorum } from '../quorum-value.ts';
import { isLive } from '../visible-object.ts';
import { ObjectKey, type ReplicaReply } from '../vnode/index.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import { ReadQuorum, type ReadRequirements } from './read-quorum.ts';
import type { RepairBudget } from './repair-budget.ts';

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
  repairs: RepairBudget,
  request: GetRequest,
  properties: BucketProperties,
  done: (outcome: ReadOutcome) => void,
): void {
  const prepared = prepareRead(parts, request, properties);
  if ('code' in prepared) {
    done({ kind: 'failed', error: prepared });
    return;
  }
  new ReadOperation(parts, repairs, request, properties, prepared, done).start();
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
  readonly #repairs: RepairBudget;
  readonly #request: GetRequest;
  readonly #properties: BucketProperties;
  readonly #replicas: PreferenceList;
  readonly #key: ObjectKey;
  readonly #quorum: ReadQuorum;
  readonly #done: (outcome: ReadOutcome) => void;
  #answered = false;

  constructor(
    parts: CoordinatorParts,
    repairs: RepairBudget,
    request: GetRequest,
    properties: BucketProperties,
    { replicas, n, need }: PreparedRead,
    done: (outcome: ReadOutcome) => void,
  ) {
    super();
    this.#parts = parts;
    this.#repairs = repairs;
    this.#request = request;
    this.#properties = properties;
    this.#replicas = replicas;
    this.#key = new ObjectKey(request);
    this.#quorum = new ReadQuorum(replicas, n, need);
    this.#done = done;
  }

  start(): void {
    const { router, deadlines, settings } = this.#parts;
    const message = { kind: 'get', key: this.#key } as const;
    this.#replicas.forEach((replica, position) => {
      router.send(replica, message, (reply) => this.#replied(position, reply));
    });
    if (!this.#quorum.complete) deadlines.set(this, this.#request.timeoutMs || settings.requestTimeoutMs);
  }

  override expired(): void {
    this.#answer({ kind: 'failed', error: { code: 'timeout' } });
    this.#finish();
  }

  #replied(position: number, reply: ReplicaReply): void {
    const known = reply.kind === 'object' || reply.kind === 'notfound' || reply.kind === 'failed';
    if (!known) return;
    const decision = this.#quorum.reply(position, reply);
    switch (decision.kind) {
      case 'waiting':
        break;
      case 'met':
        this.#answer({ kind: 'read', object: decision.object });
        break;
      case 'failed':
        this.#answer(decision);
        break;
      default:
        unreachable(decision);
    }
    if (!this.#quorum.complete) return;
    this.#parts.deadlines.clear(this);
    this.#finish();
  }

  #answer(outcome: ReadOutcome): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#done(outcome);
  }

  /** After the reply: nobody waits for a repair. */
  #finish(): void {
    const merged = this.#quorum.merged;
    if (merged === undefined) return;
    const stale = this.#quorum.stale();
    // A replica may keep its older value although it was sent the tombstone: forgetting waits for its word.
    if (stale.length === 0) this.#reapIfForgotten(merged);
    else this.#repair(merged, stale, () => this.#reapIfForgotten(merged));
  }

  /** Calls `repaired` when all that were stale have stored the object; never, if one of them fails. */
  #repair(object: VersionedObject, stale: readonly number[], repaired: () => void): void {
    const { router, observer } = this.#parts;
    if (!this.#repairs.take()) {
      observer.readRepairSkipped();
      return;
    }
    observer.readRepaired(stale.length);
    const message = {
      kind: 'put',
      key: this.#key,
      object,
      durability: this.#properties.durability,
      purpose: 'repair',
      announce: false,
    } as const;
    let waiting = stale.length;
    const replied = (reply: ReplicaReply): void => {
      // A failed repair is counted by the vnode that failed; the next read or exchange tries again.
      if (reply.kind !== 'stored') return;
      waiting -= 1;
      if (waiting === 0) repaired();
    };
    for (const position of stale) router.send(this.#replicas[position], message, replied);
  }

  /** Every replica, each a primary, holds the tombstone (spec'd reap rule). */
  #reapIfForgotten(merged: VersionedObject): void {
    const unanimous = this.#quorum.complete && this.#quorum.everyReplicaHasObject;
    if (!unanimous || isLive(merged, this.#properties)) return;
    if (this.#request.nVal !== undefined) return;
    if (this.#replicas.length < this.#properties.n_val) return;
    if (!this.#replicas.every((replica) => replica.primary)) return;
    const message = {
      kind: 'reap',
      key: this.#key,
      tombstone: merged,
      first: this.#replicas[0].partition,
      n: this.#replicas.length,
    } as const;
    for (const replica of this.#replicas) this.#parts.router.send(replica, message, () => {});
  }
}
