/**
 * What a coordinator asks of the vnode that holds a replica, and what it hears back. `replica-codec.ts` says how
 * it looks between nodes.
 */
import type { Buffer } from 'node:buffer';
import type { PruneLimits, VersionVector } from '../../clocks/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import type { Silence } from '../../core/vnode/index.ts';
import type { Durability } from '../../storage/index.ts';
import type { SyncOnWrite } from '../bucket-properties.ts';
import type { DatatypeDelta } from '../datatype/index.ts';
import type { KvError } from '../kv-error.ts';
import type { Pruning, VersionedObject } from '../object/index.ts';
import type { SiblingCap } from '../sibling-cap/index.ts';
import type { AskedCondition } from '../write-condition.ts';
import type { ObjectKey } from './object-key.ts';

/** The first byte of each message. */
export const replicaFormat = 1;

export interface ReplicaGet {
  readonly kind: 'get';
  readonly key: ObjectKey;
  /** Only the digest of the version is wanted. Absent: the object. */
  readonly want?: 'digest';
  /** A `versionDigest`: the object is not wanted if it is this version. */
  readonly unless?: Buffer;
}

export interface ReplicaPut {
  readonly kind: 'put';
  readonly key: ObjectKey;
  /** The resulting object of the coordinator, never the client's. */
  readonly object: VersionedObject;
  readonly durability: Durability;
  /**
   * Limits hold for writes of clients; what is stored already must be able to move (`repair`). `fenced`: a write that is
   * refused unless it supersedes all that the replica holds.
   */
  readonly purpose: 'write' | 'fenced' | 'repair';
  /** Of a write whose clock is long: what the replica makes of it is pruned as the coordinator's result was. */
  readonly pruning?: Pruning | undefined;
  /** Say `accepted` before storing: the coordinator waits for more receipts than stores. */
  readonly announce: boolean;
}

/**
 * Forget a tombstone that every replica has. Refused unless the stored object still is just that, and the
 * `n` partitions from `first`, which hold the key, are all at rest.
 */
export interface ReplicaReap {
  readonly kind: 'reap';
  readonly key: ObjectKey;
  readonly tombstone: VersionedObject;
  readonly first: Partition;
  readonly n: number;
}

/**
 * What a bucket's properties and a request's options come to, found where the request came in: both nodes then
 * mean the same, though a change of the properties is on its way.
 */
export interface WriteRules {
  readonly n: number;
  readonly w: number;
  readonly dw: number;
  readonly pw: number;
  readonly nodeConfirms: number;
  readonly sloppyQuorum: boolean;
  readonly syncOnWrite: SyncOnWrite;
  readonly durability: Durability;
  readonly allowMult: boolean;
  readonly lastWriteWins: boolean;
  readonly prune: PruneLimits;
  readonly cap: SiblingCap | undefined;
  /** Conditions are decided for the key by one node at a time. */
  readonly serialised: boolean;
  /** The whole bucket has one preference list. */
  readonly bucketOnly: boolean;
}

/**
 * Coordinate this write: from a node that holds no replica of the key, to one that does. It is never sent on. The
 * content is stamped, so that two coordinators of one write make siblings that are told to be twins.
 */
export interface ReplicaCoordinate {
  readonly kind: 'coordinate';
  readonly key: ObjectKey;
  readonly context: VersionVector;
  /** Of an update: an encoded `DatatypeWrite`. */
  readonly content: Buffer;
  /** An operation on a data type, which must not be carried out twice. */
  readonly isUpdate: boolean;
  readonly condition: AskedCondition;
  readonly rules: WriteRules;
  /** Milliseconds that the client still waits. */
  readonly timeoutMs: number;
  /** The client wants to see what was made of its write. */
  readonly wantsObject: boolean;
}

/** As a put, of what an update changed in a large data type. */
export interface ReplicaDelta {
  readonly kind: 'delta';
  readonly key: ObjectKey;
  readonly delta: DatatypeDelta;
  readonly durability: Durability;
  readonly announce: boolean;
}

export type ReplicaRequest = ReplicaGet | ReplicaPut | ReplicaReap | ReplicaCoordinate | ReplicaDelta;

export type ReplicaReply =
  | { readonly kind: 'object'; readonly object: VersionedObject }
  /** The replica has the version that the request named. */
  | { readonly kind: 'same' }
  | { readonly kind: 'digest'; readonly digest: Buffer }
  | { readonly kind: 'notfound' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'stored' }
  /** The quorum of a forwarded write is met. */
  | { readonly kind: 'coordinated'; readonly object: VersionedObject | undefined }
  /** The node cannot coordinate the write; nothing has happened. */
  | { readonly kind: 'declined' }
  /** The replica does not have the version that a delta applies to, and wants the whole; nothing has happened. */
  | { readonly kind: 'behind' }
  /** `damaged`: the copy is lost, and a repair is welcome. Else it may only be out of reach. */
  | { readonly kind: 'failed'; readonly error: KvError; readonly damaged?: boolean }
  /** The partition has another owner, since `epoch` or before. Nothing has happened. */
  | { readonly kind: 'moved'; readonly epoch: number }
  /** Made by the asker's node. */
  | { readonly kind: 'unanswered'; readonly reason: Silence };
