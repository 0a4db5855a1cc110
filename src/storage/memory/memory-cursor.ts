import { Buffer } from 'node:buffer';
import {
  type ByteString,
  bufferOf,
  byteLiteral,
  byteStringOf,
  type OrderedMapWalker,
} from '../../stdx/index.ts';
import {
  type Cursor,
  type CursorLimits,
  type Entry,
  type ScanOptions,
  StorageError,
} from '../storage-engine.ts';

const NO_VALUE = Buffer.alloc(0);

export interface CursorSource<Slot> {
  /** Throws `StorageError` if the value is rotten or the device refuses. The buffer is the caller's. */
  readonly read: (key: Buffer, slot: Slot) => Buffer;
  /** Throws if the engine was closed. */
  readonly assertOpen: () => void;
  /** Lets the event loop turn: a walk in memory would otherwise never wait. */
  readonly yieldTurn: () => Promise<void>;
  readonly closed: () => Promise<void>;
}

/** A walk over a snapshot of the tree; values come from memory or from the journal as they are reached. */
export class MemoryCursor<Slot> implements Cursor {
  readonly #walker: OrderedMapWalker<Slot>;
  readonly #source: CursorSource<Slot>;
  readonly #options: ScanOptions;
  readonly #from: ByteString | undefined;
  readonly #to: ByteString | undefined;
  /** The walker stands on an entry that was not handed out yet. */
  #pending = false;
  #passed: ByteString | undefined;
  #ended = false;
  #closed = false;

  constructor(
    walker: OrderedMapWalker<Slot>,
    from: Buffer | undefined,
    to: Buffer | undefined,
    options: ScanOptions,
    source: CursorSource<Slot>,
  ) {
    this.#walker = walker;
    this.#from = from && byteStringOf(from);
    this.#to = to && byteStringOf(to);
    this.#options = options;
    this.#source = source;
    this.#start();
  }

  async next(limits: CursorLimits): Promise<readonly Entry[]> {
    this.#assertUsable();
    await this.#source.yieldTurn();
    this.#assertUsable();
    const entries: Entry[] = [];
    let bytes = 0;
    while (entries.length < limits.entriesMax && bytes < limits.bytesMax && this.#advance()) {
      const name = byteLiteral(this.#walker.key);
      const entry = this.#entry(name, entries.length > 0);
      if (entry === 'later') break;
      if (entry !== undefined) {
        const size = entry.key.length + entry.value.length;
        if (entries.length > 0 && bytes + size > limits.bytesMax) break;
        bytes += size;
        entries.push(entry);
      }
      this.#pass(name);
    }
    return entries;
  }

  seek(key: Buffer): void {
    const name = byteStringOf(key);
    if (this.#closed || this.#ended || !this.#isAhead(name)) return;
    this.#settle(this.#walker.seek(name));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#source.closed();
  }

  #start(): void {
    const first = this.#options.reverse === true ? this.#to : this.#from;
    if (first === undefined) return;
    this.#settle(this.#walker.seek(first));
    // In reverse the walk begins below `to`.
    if (this.#options.reverse === true && !this.#ended && this.#walker.key === first) this.#pending = false;
  }

  /** Puts the walker on the next entry of the range; false at its end. */
  #advance(): boolean {
    if (!this.#pending && !this.#ended) this.#settle(this.#walker.next());
    return !this.#ended;
  }

  #settle(found: boolean): void {
    this.#pending = found && !this.#isBeyond(this.#walker.key);
    this.#ended = !this.#pending;
  }

  #isBeyond(name: string): boolean {
    if (this.#options.reverse === true) return this.#from !== undefined && name < this.#from;
    return this.#to !== undefined && name >= this.#to;
  }

  /** Undefined: damaged, and reported. `later`: damaged, and to be thrown by the following call. */
  #entry(name: ByteString, partial: boolean): Entry | 'later' | undefined {
    const key = bufferOf(name);
    if (this.#options.keysOnly === true) return { key, value: Buffer.from(NO_VALUE) };
    try {
      return { key, value: this.#source.read(key, this.#walker.value) };
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      if (this.#options.corrupt === undefined) {
        if (partial) return 'later';
        this.#pass(name);
        throw cause;
      }
      this.#options.corrupt(key, cause);
      return undefined;
    }
  }

  #pass(name: ByteString): void {
    this.#passed = name;
    this.#pending = false;
  }

  #isAhead(name: ByteString): boolean {
    const first = this.#options.reverse === true ? this.#to : this.#from;
    if (first !== undefined && !this.#isBefore(first, name)) return false;
    return this.#passed === undefined || this.#isBefore(this.#passed, name);
  }

  #isBefore(a: string, b: string): boolean {
    return this.#options.reverse === true ? a > b : a < b;
  }

  #assertUsable(): void {
    if (this.#closed) throw new StorageError('closed', 'the cursor is closed');
    this.#source.assertOpen();
  }
}
