/**
 * What a coordinator asks of the vnode that holds a replica, and what it hears back.
 */
import type { Durability } from '../../storage/index.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import type { ObjectKey } from './key-layout.ts';

export interface ReplicaGet {
  readonly kind: 'get';
  readonly key: ObjectKey;
}

export interface ReplicaPut {
  readonly kind: 'put';
  readonly key: ObjectKey;
  /** The resulting object of the coordinator, never the client's. */
  readonly object: VersionedObject;
  readonly durability: Durability;
  /** Limits hold for writes of clients; what is stored already must be able to move (`repair`). */
  readonly purpose: 'write' | 'repair';
  /** Say `accepted` before storing: the coordinator waits for more receipts than stores. */
  readonly announce: boolean;
}

/** Forget a tombstone that every replica has. Refused unless the stored object still is just that. */
export interface ReplicaReap {
  readonly kind: 'reap';
  readonly key: ObjectKey;
  readonly tombstone: VersionedObject;
}

export type ReplicaRequest = ReplicaGet | ReplicaPut | ReplicaReap;

export type ReplicaReply =
  | { readonly kind: 'object'; readonly object: VersionedObject }
  | { readonly kind: 'notfound' }
  | { readonly kind: 'accepted' }
  | { readonly kind: 'stored' }
  /** `damaged`: the copy is lost, and a repair is welcome. Else it may only be out of reach. */
  | { readonly kind: 'failed'; readonly error: KvError; readonly damaged?: boolean };
