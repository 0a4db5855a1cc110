/**
 * Every error that an application can meet, embedded or remote. `code` is stable: programs may switch
 * on it. `message` is for people and may change.
 */

/**
 * - `unavailable`: no node could be reached, or not enough replicas are up.
 * - `timeout`: no answer in time. See `unknownOutcome`.
 * - `aborted`: the caller's `AbortSignal` fired, or the source of a stream failed; `cause` is the reason.
 * - `overload`: refused at once, without effect; wait and try again.
 * - `connection_lost`: the connection broke before the reply came. See `unknownOutcome`.
 * - `quorum`: too few replicas confirmed; a write may have happened on some of them.
 * - `exists`: put with `ifAbsent`, and something is stored.
 * - `changed`: put with `ifUnchanged`, and what is stored is another version, or nothing.
 * - `contended`: `update` lost against other writers as often as it may try.
 * - `siblings`: concurrent versions are stored, and the bucket was given no `merge`.
 * - `invalid_value`: the schema refuses the value; `issues` says why.
 * - `undecodable`: the stored bytes are not what the bucket holds (JSON, by default).
 * - `invalid_argument`: a key, an option, a property, a context or an address that cannot be right.
 * - `unknown_bucket_type`: there is no such bucket type.
 * - `too_large`: the object, with its siblings, is larger than the node accepts.
 * - `rejected`: a pre-commit hook refused the write.
 * - `job_failed`: a function of a MapReduce job threw, or took more time or memory than it may.
 * - `storage`: the node's disk is full, failing or corrupt.
 * - `protocol`: the peer does not speak this protocol, or broke it.
 * - `closed`: the database was closed, or failed (`cause` says how). See `unknownOutcome`.
 * - `server`: any other failure reported by the node.
 */
export type HaleErrorCode =
  | 'unavailable'
  | 'timeout'
  | 'aborted'
  | 'overload'
  | 'connection_lost'
  | 'quorum'
  | 'exists'
  | 'changed'
  | 'contended'
  | 'siblings'
  | 'invalid_value'
  | 'undecodable'
  | 'invalid_argument'
  | 'unknown_bucket_type'
  | 'too_large'
  | 'rejected'
  | 'job_failed'
  | 'storage'
  | 'protocol'
  | 'closed'
  | 'server';

/** What a schema found wrong, and where. */
export interface ValueIssue {
  readonly message: string;
  /** Member names from the value's root, outermost first. */
  readonly path: readonly PropertyKey[];
}

export interface HaleErrorOptions {
  readonly cause?: unknown;
  /** The operation may or may not have taken effect. Default: false. */
  readonly unknownOutcome?: boolean;
  readonly issues?: readonly ValueIssue[];
}

/** Codes of failures that pass by themselves. */
const passing: ReadonlySet<HaleErrorCode> = new Set<HaleErrorCode>([
  'unavailable',
  'timeout',
  'overload',
  'connection_lost',
  'quorum',
  'contended',
]);

export class HaleError extends Error {
  override readonly name = 'HaleError';
  readonly code: HaleErrorCode;
  /**
   * True for a write whose effect nobody knows: the reply was lost, late, or said that only some
   * replicas confirmed. Read before writing again, unless doing it twice is harmless.
   */
  readonly unknownOutcome: boolean;
  /** Only for `invalid_value`; empty otherwise. */
  readonly issues: readonly ValueIssue[];

  constructor(code: HaleErrorCode, message: string, options: HaleErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.unknownOutcome = options.unknownOutcome === true;
    this.issues = options.issues ?? [];
  }

  /** The same call may succeed later, and repeating it is safe: it had no effect. */
  get retryable(): boolean {
    return passing.has(this.code) && !this.unknownOutcome;
  }
}

/** `crash` is what ended the database, if that was not `close`. */
export function closedError(crash?: unknown): HaleError {
  return crash === undefined
    ? new HaleError('closed', 'the database was closed')
    : new HaleError('closed', 'the database was closed by a failure of its own', { cause: crash });
}

/** Whether `error` is a `HaleError`, with the given code if one is given. */
export function isHaleError(error: unknown, code?: HaleErrorCode): error is HaleError {
  return error instanceof HaleError && (code === undefined || error.code === code);
}
