/**
 * The copies of objects that this node's engine holds, as reads and writes see them (A4, A5): a client's read sees what is
 * committed, a read that a write builds on sees what is queued as well; a damaged copy is named, and never shown.
 */
import type { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { Log } from '../../environment/index.ts';
import { textOfBytes } from '../../stdx/index.ts';
import { type GroupCommit, StorageError } from '../../storage/index.ts';
import type { StoredChanges } from '../anti-entropy/index.ts';
import type { KvError } from '../kv-error.ts';
import type { KvObserver } from '../kv-observer.ts';
import { ObjectFormatError, VersionedObject } from '../object/index.ts';
import type { ObjectKey } from './object-key.ts';

export interface StoredCopiesParts {
  readonly commit: GroupCommit;
  readonly changes: StoredChanges;
  readonly observer: Pick<KvObserver, 'readFailed'>;
  readonly log: Log;
}

export class StoredCopies {
  readonly #commit: GroupCommit;
  readonly #changes: StoredChanges;
  readonly #observer: Pick<KvObserver, 'readFailed'>;
  readonly #log: Log;
  /** The copy that was read last: other replicas of the key on this node mostly hold the same bytes. */
  #lastRead: VersionedObject | undefined;

  constructor({ commit, changes, observer, log }: StoredCopiesParts) {
    this.#commit = commit;
    this.#changes = changes;
    this.#observer = observer;
    this.#log = log;
  }

  /** Throws `StorageError` and `ObjectFormatError`: see `failureOf`. */
  committed(partition: Partition, key: ObjectKey): VersionedObject | undefined {
    const bytes = this.#commit.engine.get(key.borrow(partition));
    return bytes === undefined ? undefined : this.#decode(bytes);
  }

  /**
   * Whether the copy that makes a write superfluous is one that the engine holds. One that is only queued
   * may still fail, and must not stand in for an acknowledged write.
   */
  isCommitted(partition: Partition, key: ObjectKey, object: VersionedObject): boolean {
    try {
      return this.#commit.engine.get(key.borrow(partition))?.equals(object.bytes) ?? false;
    } catch (error) {
      this.failureOf(partition, key, error);
      return false;
    }
  }

  /** The local copy, queued writes included. A corrupt copy counts as lost: the write heals it under a new epoch. */
  forWrite(partition: Partition, key: ObjectKey): VersionedObject | undefined | KvError {
    try {
      const bytes = this.#commit.get(key.borrow(partition));
      return bytes === undefined ? undefined : this.#decode(bytes);
    } catch (error) {
      const failure = this.failureOf(partition, key, error);
      if (!isDamage(error)) return failure;
      // What is replaced is not known: whoever keeps account of the partition has to count anew.
      this.#changes.doubt(partition);
      return undefined;
    }
  }

  /** There is a copy, and nobody can say what it has seen. */
  isDamaged(partition: Partition, key: ObjectKey): boolean {
    try {
      this.committed(partition, key);
      return false;
    } catch (error) {
      return isDamage(error);
    }
  }

  /** Throws `ObjectFormatError`. Copies with the same bytes are one object, decoded once. */
  #decode(bytes: Buffer): VersionedObject {
    if (this.#lastRead !== undefined && isSame(this.#lastRead.bytes, bytes)) return this.#lastRead;
    this.#lastRead = VersionedObject.decode(bytes);
    return this.#lastRead;
  }

  /** Counts and logs what a read threw. Throws it again if it is a bug. */
  failureOf(partition: Partition, key: ObjectKey, error: unknown): KvError {
    // Anything else is a bug, and must not pass for a sick disk.
    if (!(error instanceof StorageError || error instanceof ObjectFormatError)) throw error;
    const { bucket, key: name } = key.address;
    this.#observer.readFailed();
    this.#log.error('a stored object cannot be read', {
      partition,
      bucket: textOfBytes(bucket),
      key: textOfBytes(name),
      reason: error.message,
    });
    return { code: 'storage', reason: error.message };
  }
}

/** Of two that differ mostly the ends do, which are checksums of clocks: they spare the call. */
function isSame(a: Buffer, b: Buffer): boolean {
  const last = a.length - 1;
  if (a.length !== b.length || a[last] !== b[last] || a[last - 1] !== b[last - 1]) return false;
  return a.equals(b);
}

/** The copy is lost for good, not out of reach for a moment. */
export function isDamage(error: unknown): boolean {
  return error instanceof ObjectFormatError || (error instanceof StorageError && error.code === 'corrupt');
}
