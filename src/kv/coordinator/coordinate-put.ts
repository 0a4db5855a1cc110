/**
 * Drives one write: this node's vnode in the preference list merges it under a new dot, the result
 * goes to the other replicas in the same turn, and the client hears when the quorum is met.
 *
 * The result may reach a replica before it is on this node's disk. If this node then forgets it, the
 * vnode's next epoch keeps the dot from being used again (see `VnodeIdentities`).
 */
import type { VersionVector } from '../../clocks/index.ts';
import { type PreferenceList, primariesOf } from '../../core/ring/index.ts';
import { Deadline } from '../../core/vnode/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { Durability } from '../../storage/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { ObjectAddress, WriteOptions } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { asisObject, type VersionedObject } from '../object/index.ts';
import { resolveQuorum } from '../quorum-value.ts';
import { ObjectKey, type ReplicaReply } from '../vnode/index.ts';
import type { WriteCondition } from '../write-condition.ts';
import type { CoordinatorParts } from './coordinator-parts.ts';
import { WriteQuorum, type WriteReply, type WriteRequirements } from './write-quorum.ts';

/** A write whose context has been decoded and whose content has been stamped. */
export interface PreparedWrite {
  readonly address: ObjectAddress;
  readonly options: WriteOptions;
  readonly context: VersionVector;
  readonly content: Buffer;
  readonly condition: WriteCondition;
  /** Keep the context as the clock: nobody coordinates. */
  readonly asis: boolean;
}

export type WriteOutcome =
  | { readonly kind: 'written'; readonly object: VersionedObject }
  | { readonly kind: 'failed'; readonly error: KvError };

interface WritePlan {
  readonly replicas: PreferenceList;
  readonly n: number;
  readonly need: WriteRequirements;
}

export function coordinatePut(
  parts: CoordinatorParts,
  write: PreparedWrite,
  properties: BucketProperties,
  done: (outcome: WriteOutcome) => void,
): void {
  const plan = planWrite(parts, write, properties);
  if ('code' in plan) {
    done({ kind: 'failed', error: plan });
    return;
  }
  new WriteOperation(parts, write, properties, plan, done).start();
}

/** The checks and their order are those of Riak's put: clients see which error comes first. */
function planWrite(
  { names, topology }: CoordinatorParts,
  { address, options }: PreparedWrite,
  properties: BucketProperties,
): WritePlan | KvError {
  const n = options.nVal ?? properties.n_val;
  if (n > properties.n_val || n < 1) return { code: 'n_val_violation', nVal: properties.n_val };
  const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
  const all = topology.preferenceList(topology.ring.partitionOf(names.of(address, bucketOnly)), n);
  const replicas = options.sloppyQuorum === false ? primariesOf(all) : all;
  if (replicas.length === 0) return { code: 'all_nodes_down' };
  const pw = resolveQuorum(options.pw, properties.pw, n);
  const nodeConfirms = resolveQuorum(options.nodeConfirms, properties.node_confirms, n);
  const w = resolveQuorum(options.w, properties.w, n);
  const dw = Math.max(1, resolveQuorum(options.dw, properties.dw, n));
  if (Math.max(w, dw, pw, nodeConfirms) > n) return { code: 'n_val_violation', nVal: n };
  if (pw > 0) {
    const up = primariesOf(all).length;
    if (pw > up) return { code: 'quorum_unsatisfied', quorum: 'pw', wanted: pw, got: up };
  }
  const needed = Math.max(w, dw, pw);
  if (replicas.length < needed) return { code: 'insufficient_vnodes', up: replicas.length, needed };
  return { replicas, n, need: { w, dw, pw, nodeConfirms } };
}

class WriteOperation extends Deadline {
  readonly #parts: CoordinatorParts;
  readonly #write: PreparedWrite;
  readonly #properties: BucketProperties;
  readonly #replicas: PreferenceList;
  readonly #announce: boolean;
  readonly #key: ObjectKey;
  readonly #quorum: WriteQuorum;
  readonly #done: (outcome: WriteOutcome) => void;
  #object: VersionedObject | undefined;
  #answered = false;

  constructor(
    parts: CoordinatorParts,
    write: PreparedWrite,
    properties: BucketProperties,
    { replicas, n, need }: WritePlan,
    done: (outcome: WriteOutcome) => void,
  ) {
    super();
    this.#parts = parts;
    this.#write = write;
    this.#properties = properties;
    this.#replicas = replicas;
    this.#announce = need.w > need.dw;
    this.#key = new ObjectKey(write.address);
    this.#quorum = new WriteQuorum(replicas, n, need);
    this.#done = done;
  }

  start(): void {
    const { topology, deadlines, settings } = this.#parts;
    const coordinator = this.#write.asis
      ? -1
      : this.#replicas.findIndex((replica) => replica.node === topology.self);
    const object = this.#write.asis
      ? asisObject(this.#write.context, this.#write.content)
      : this.#coordinate(coordinator);
    if (object === undefined) return;
    this.#object = object;
    this.#replicate(object, coordinator);
    if (!this.#quorum.complete) {
      deadlines.set(this, this.#write.options.timeoutMs || settings.requestTimeoutMs);
    }
  }

  override expired(): void {
    this.#answer({ kind: 'failed', error: { code: 'timeout' } });
  }

  #coordinate(position: number): VersionedObject | undefined {
    const { vnodes, clock } = this.#parts;
    const { context, content, condition } = this.#write;
    const properties = this.#properties;
    const result = vnodes.coordinatePut(
      this.#replicas[position].partition,
      {
        key: this.#key,
        context,
        content,
        condition,
        siblings: properties,
        prune: {
          smallVclock: properties.small_vclock,
          bigVclock: properties.big_vclock,
          youngVclock: properties.young_vclock,
          oldVclock: properties.old_vclock,
        },
        durability: this.#durability(true),
        nowSeconds: Math.floor(clock.wallMicros() / 1_000_000),
      },
      (error) =>
        this.#replied(position, error === undefined ? { kind: 'stored' } : { kind: 'failed', error }),
    );
    if (result.kind === 'merged') return result.object;
    this.#answer(result);
    return undefined;
  }

  #replicate(object: VersionedObject, coordinator: number): void {
    const message = {
      kind: 'put',
      key: this.#key,
      object,
      durability: this.#durability(false),
      purpose: 'write',
      announce: this.#announce,
    } as const;
    if (this.#announce && coordinator >= 0) this.#replied(coordinator, { kind: 'accepted' });
    this.#replicas.forEach((replica, position) => {
      if (position === coordinator) return;
      this.#parts.router.send(replica, message, (reply) => this.#replied(position, reply));
    });
  }

  /** `sync_on_write`: `one` syncs at the coordinator, `all` everywhere, `backend` as the bucket says. */
  #durability(coordinator: boolean): Durability {
    const sync = this.#write.options.syncOnWrite ?? this.#properties.sync_on_write;
    if (sync === 'all' || (sync === 'one' && coordinator)) return 'synced';
    return this.#properties.durability;
  }

  #replied(position: number, reply: ReplicaReply | WriteReply): void {
    const known = reply.kind === 'accepted' || reply.kind === 'stored' || reply.kind === 'failed';
    if (!known) return;
    const decision = this.#quorum.reply(position, reply);
    switch (decision.kind) {
      case 'waiting':
        break;
      case 'met':
        this.#answerWritten();
        break;
      case 'failed':
        this.#answer(decision);
        break;
      default:
        unreachable(decision);
    }
    if (this.#quorum.complete) this.#parts.deadlines.clear(this);
  }

  #answerWritten(): void {
    if (this.#object !== undefined) this.#answer({ kind: 'written', object: this.#object });
  }

  #answer(outcome: WriteOutcome): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#done(outcome);
  }
}
