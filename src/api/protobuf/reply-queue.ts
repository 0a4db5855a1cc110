/**
 * The way out of one connection. Replies of a turn of the event loop are gathered in one buffer and leave in
 * one write when the turn ends; a connection without replies holds no buffer.
 *
 * Bounded: what is gathered leaves early once it is long, and while the peer does not take what was written
 * (`isChoked`), the connection starts no request and pulls no listing.
 */
import type { Connection, Tasks } from '../../environment/index.ts';
import { type Encodable, type FrameType, ProtoWriter, writeFrame, writeFrameHead } from '../../wire/index.ts';
import { writeError } from './error-reply.ts';

/** Replies of one turn leave early once they are this long. */
const gatheredBytesMax = 64 * 1024;
/** Bodies from here on are handed over as they are: a copy would cost more than a write of its own. */
const copiedBytesMax = 16 * 1024;

export class ReplyQueue {
  readonly #connection: Connection;
  readonly #flusher: TurnFlusher;
  #writer: ProtoWriter | undefined;
  #isChoked = false;
  #isClosed = false;
  #wakeWriter: (() => void) | undefined;

  constructor(connection: Connection, flusher: TurnFlusher) {
    this.#connection = connection;
    this.#flusher = flusher;
  }

  /** The peer is behind: produce nothing more until `drained`. */
  get isChoked(): boolean {
    return this.#isChoked;
  }

  frame<T>(type: FrameType<T>, message: Encodable<T>): void {
    const writer = this.#open();
    writeFrame(writer, type, message);
    this.#wrote(writer);
  }

  error(text: string): void {
    const writer = this.#open();
    writeError(writer, text);
    this.#wrote(writer);
  }

  /** A frame without a body: what most puts are answered with. */
  empty(code: number): void {
    const writer = this.#open();
    writeFrameHead(writer, code, 0);
    this.#wrote(writer);
  }

  /** A frame whose body is encoded already and never changes. */
  body(code: number, body: Uint8Array): void {
    const writer = this.#open();
    writeFrameHead(writer, code, body.length);
    if (body.length <= copiedBytesMax) {
      writer.raw(body);
      this.#wrote(writer);
      return;
    }
    this.flush();
    if (!this.#isClosed && !this.#connection.write(body)) this.#isChoked = true;
  }

  /** Hands what was gathered to the connection. */
  flush(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    if (!this.#isClosed && !this.#connection.write(writer.take())) this.#isChoked = true;
    writer.truncate(0);
    this.#flusher.giveBack(writer);
  }

  /** Resolves when the peer has caught up, or is gone. */
  async writable(): Promise<void> {
    if (!this.#isChoked || this.#isClosed) return;
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  drained(): void {
    this.#isChoked = false;
    this.#wake();
  }

  /** Drops what is gathered and wakes who waits. */
  close(): void {
    this.#isClosed = true;
    this.flush();
    this.#wake();
  }

  #open(): ProtoWriter {
    if (this.#writer === undefined) {
      this.#writer = this.#flusher.lend();
      this.#flusher.flushLater(this);
    }
    return this.#writer;
  }

  #wrote(writer: ProtoWriter): void {
    if (writer.length >= gatheredBytesMax) this.flush();
  }

  #wake(): void {
    const wake = this.#wakeWriter;
    this.#wakeWriter = undefined;
    wake?.();
  }
}

/** Buffers are cut from slabs of this size: a queued reply keeps its slab alive. */
const slabBytes = 16 * 1024;
const roomMin = 2 * 1024;
/** Connections that gather at the same time; bounds the slabs in use. */
const writersMax = 64;

/** Flushes all connections that have replies when the turn ends, and lends them buffers. */
export class TurnFlusher {
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #idleWriters: ProtoWriter[] = [];
  #waiting: ReplyQueue[] = [];
  #flushing: ReplyQueue[] = [];
  readonly #flushAll = (): void => this.#turnEnded();

  constructor(tasks: Pick<Tasks, 'endOfTurn'>) {
    this.#tasks = tasks;
  }

  flushLater(queue: ReplyQueue): void {
    if (this.#waiting.push(queue) === 1) this.#tasks.endOfTurn(this.#flushAll);
  }

  lend(): ProtoWriter {
    if (this.#waiting.length >= writersMax) this.#turnEnded();
    return this.#idleWriters.pop() ?? new ProtoWriter(slabBytes);
  }

  /** A writer whose slab is used up is left to the garbage collector. */
  giveBack(writer: ProtoWriter): void {
    const fits = writer.room >= roomMin && writer.room <= slabBytes;
    if (fits && this.#idleWriters.length < writersMax) this.#idleWriters.push(writer);
  }

  #turnEnded(): void {
    const queues = this.#waiting;
    this.#waiting = this.#flushing;
    this.#flushing = queues;
    for (const queue of queues) queue.flush();
    queues.length = 0;
  }
}
