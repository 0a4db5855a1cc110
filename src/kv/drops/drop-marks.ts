/**
 * What is being dropped: buckets, and bucket types with all their buckets. Registered, so that every node knows, and goes
 * on with it whoever dies in between.
 */
import { Buffer } from 'node:buffer';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import { RegisteredChanges } from '../registered-changes.ts';
import type { Registry } from '../registry.ts';

/** Of a bucket; without one, of the type and all its buckets. */
export interface Dropped {
  readonly bucketType: ByteString;
  readonly bucket: ByteString | undefined;
}

/** That it is being dropped, as this was registered once. */
export interface DropMark extends Dropped {
  readonly history: string;
  readonly revision: number;
}

const prefix = byteLiteral('drops\0');
const marked = Buffer.from('1');

export class DropMarks {
  readonly #registry: Registry;
  readonly #changes: RegisteredChanges;
  #marks = new Set<ByteString>();

  /** `timeoutMs`: how long a change may take to be agreed. */
  constructor(registry: Registry, timeoutMs: number) {
    this.#registry = registry;
    this.#changes = new RegisteredChanges(registry, timeoutMs);
    this.#load();
  }

  /** Calls `changed` when there are others than before. Once. */
  onChange(changed: () => void): void {
    this.#registry.onChange((names) => {
      if (!names.some((name) => name.startsWith(prefix))) return;
      this.#load();
      changed();
    });
  }

  /** Nothing of the bucket is shown, and nothing written to it. */
  has({ bucketType, bucket }: BucketAddress): boolean {
    if (this.#marks.size === 0) return false;
    return this.#marks.has(nameOf({ bucketType, bucket })) || this.hasType(bucketType);
  }

  hasType(bucketType: ByteString): boolean {
    return this.#marks.has(nameOf({ bucketType, bucket: undefined }));
  }

  /** In the order of their names. */
  list(): readonly DropMark[] {
    const { history } = this.#registry;
    return [...this.#marks].sort().map((name) => {
      const revision = this.#registry.get(name)?.revision ?? 0;
      return { ...droppedOfName(name), history, revision };
    });
  }

  /** Whether it is there still: that one, and not another of the same name, such as a cluster has that this node has joined. */
  holds(mark: DropMark): boolean {
    const { history } = this.#registry;
    return history === mark.history && this.#registry.get(nameOf(mark))?.revision === mark.revision;
  }

  /** To mark what is marked changes nothing. Rejects with `KvFailure` if it is not agreed. */
  async set(dropped: Dropped): Promise<void> {
    const name = nameOf(dropped);
    await this.#changes.change(name, () => (this.#registry.get(name) === undefined ? marked : 'as_it_is'));
    this.#load();
  }

  /** Rejects with `KvFailure`. */
  async clear(mark: DropMark): Promise<void> {
    const valueNow = () => (this.holds(mark) ? undefined : 'as_it_is');
    await this.#changes.change(nameOf(mark), valueNow, mark.history);
    this.#load();
  }

  #load(): void {
    this.#marks = new Set(this.#registry.names(prefix));
  }
}

function nameOf({ bucketType, bucket = byteLiteral('') }: Dropped): ByteString {
  return `${prefix}${bucketType}\0${bucket}` as ByteString;
}

/** Types hold no zero byte, and no bucket has the empty name. */
function droppedOfName(name: ByteString): Dropped {
  const separator = name.indexOf('\0', prefix.length);
  const bucket = name.slice(separator + 1) as ByteString;
  return {
    bucketType: name.slice(prefix.length, separator) as ByteString,
    bucket: bucket === '' ? undefined : bucket,
  };
}
