/** A count of replicas, or a word for one: `quorum` is a majority, `default` the bucket's property. */
export type Quorum = number | 'one' | 'quorum' | 'all' | 'default';

export interface CallOptions {
  /** Ends the call with `aborted`. A write that was on its way has an unknown outcome. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds for the whole call, retries included; for a listing, until its last name. Default: that
   * of the database; for a listing, that for each batch of names, and the node's `list_timeout` for all.
   */
  readonly timeoutMs?: number;
}

/** Bytes of a value, counted from 0. `to` is behind the last one; the end of the value if it is absent. */
export interface ByteRange {
  readonly from: number;
  readonly to?: number;
}

export interface ReadOptions extends CallOptions {
  /** Replicas that must answer. */
  readonly r?: Quorum;
  /** Of them, replicas in their own place, not stand-ins for nodes that are down. */
  readonly pr?: Quorum;
  /** Give up on `r` once a majority says that nothing is stored. */
  readonly basicQuorum?: boolean;
  /** Whether a replica that has nothing counts as an answer. */
  readonly notfoundOk?: boolean;
}

export interface WriteOptions extends CallOptions {
  /** Replicas that must have received the write. */
  readonly w?: Quorum;
  /** Replicas that must have stored it durably. */
  readonly dw?: Quorum;
  /** Of them, replicas in their own place, not stand-ins for nodes that are down. */
  readonly pw?: Quorum;
}
