/** A write on its way through the coordinator, and what becomes of it. */
import type { Buffer } from 'node:buffer';
import type { VersionVector } from '../../clocks/index.ts';
import type { DatatypeWrite } from '../datatype/index.ts';
import type { ObjectAddress, WriteOptions } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import type { WriteCondition } from '../write-condition.ts';

/** A write whose context has been decoded and whose content has been stamped. */
export interface PreparedWrite {
  readonly address: ObjectAddress;
  readonly options: WriteOptions;
  readonly context: VersionVector;
  /** Empty if it is an update. */
  readonly content: Buffer;
  /** Instead of a content: an operation on a data type, which the coordinating vnode carries out. It is never sent twice. */
  readonly update: DatatypeWrite | undefined;
  readonly condition: WriteCondition;
  /** Keep the context as the clock: nobody coordinates. */
  readonly asis: boolean;
  /** With `asis`: what all replicas get. Absent: the content with the context as its clock. */
  readonly whole?: VersionedObject;
  /** Whoever asked wants to see what was made of it. */
  readonly wantsObject: boolean;
  /** It came from another node, and is not sent on. */
  readonly isForwarded: boolean;
}

export type WriteOutcome =
  /** `object` is there if it was wanted, or made here. */
  | { readonly kind: 'written'; readonly object: VersionedObject | undefined }
  /** Of a forwarded write: this node cannot coordinate it, and nothing has happened. */
  | { readonly kind: 'declined' }
  | { readonly kind: 'failed'; readonly error: KvError };
