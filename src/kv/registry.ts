/**
 * Facts on which all nodes agree, by name: the properties of buckets. As kv needs it; `ClusterRegistry` keeps it in
 * the cluster's log, `EngineRegistry` in the one engine of a node without a cluster.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import type { KvError } from './kv-error.ts';

export interface RegistryEntry {
  readonly value: Buffer;
  /** Greater after each change of the entry; never 0. */
  readonly revision: number;
}

export interface RegistryChange {
  readonly name: ByteString;
  /** Undefined removes the entry. */
  readonly value: Buffer | undefined;
  /** The revision that the entry must still have; 0: there must be none. */
  readonly expected: number;
}

export type RegistryOutcome =
  /** All changes are durable, and seen by `get`. */
  | { readonly kind: 'applied' }
  /** Some entry had another revision; nothing was changed. */
  | { readonly kind: 'conflict' }
  /** After `no_majority` it may still happen. */
  | { readonly kind: 'failed'; readonly error: KvError };

export interface Registry {
  /**
   * What revisions belong to: the same one of two histories says nothing. Another one begins when this node joins a
   * cluster, or its own is recovered; what was noted before is then not to be acted upon.
   */
  readonly history: string;
  get(name: ByteString): RegistryEntry | undefined;
  /** In no order. */
  names(prefix: ByteString): readonly ByteString[];
  /** All or nothing. */
  propose(changes: readonly RegistryChange[], timeoutMs: number): Promise<RegistryOutcome>;
  /** Calls `changed` after entries have changed, whoever changed them. */
  onChange(changed: (names: readonly ByteString[]) => void): void;
}
