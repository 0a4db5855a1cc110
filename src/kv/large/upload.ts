/** One value on its way into chunks. */
import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Clock, Instant, Timers } from '../../environment/index.ts';
import type { ByteString } from '../../stdx/index.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { nextPiece } from './body-start.ts';
import { ChunkGatherer } from './chunk-gatherer.ts';
import { windowMax, writeAgain } from './chunk-patience.ts';
import type { ChunkStore, ChunkWriting } from './chunk-store.ts';
import type { Manifest } from './manifest.ts';

/** An upload that does not say how long it is reserves so many chunks first, then twice as many, and so on. */
const reservedChunksMin = 64;

export interface UploadParts {
  readonly id: ByteString;
  /** The object that is going to refer to it. */
  readonly owner: ObjectAddress;
  readonly how: ChunkWriting;
  readonly chunks: ChunkStore;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly chunkBytes: number;
  readonly bytesMax: number;
  readonly msMax: number;
  readonly isStopping: () => boolean;
}

export type UploadOutcome =
  | { readonly kind: 'complete'; readonly manifest: Manifest }
  | { readonly kind: 'failed'; readonly error: KvError }
  | { readonly kind: 'broken_off' };

export class Upload {
  readonly #parts: UploadParts;
  readonly #begunAt: Instant;
  readonly #begunMicros: number;
  readonly #inFlight: Promise<KvError | undefined>[] = [];
  #chunksMax = 0;
  #next = 0;
  #failure: KvError | undefined;

  constructor(parts: UploadParts) {
    this.#parts = parts;
    this.#begunAt = parts.clock.now();
    this.#begunMicros = parts.clock.wallMicros();
  }

  /** Of higher indexes none was written. */
  get chunksMax(): number {
    return this.#chunksMax;
  }

  /** Ends the body. Resolves when no chunk is under way; `complete`: all are stored (G1). `length`: of the body, if that is known. */
  async run(body: AsyncIterable<Buffer>, length: number | undefined): Promise<UploadOutcome> {
    const { chunkBytes } = this.#parts;
    const chunksMax = length === undefined ? reservedChunksMin : Math.max(1, Math.ceil(length / chunkBytes));
    const pieces = body[Symbol.asyncIterator]();
    try {
      const refused = await this.#reserve(chunksMax);
      return refused === undefined ? await this.#take(pieces, length) : { kind: 'failed', error: refused };
    } finally {
      await pieces.return?.();
      await this.#settled();
    }
  }

  async #take(pieces: AsyncIterator<Buffer>, length: number | undefined): Promise<UploadOutcome> {
    const { chunkBytes, bytesMax, id } = this.#parts;
    const gatherer = new ChunkGatherer(chunkBytes);
    const failed = (error: KvError): UploadOutcome => ({ kind: 'failed', error });
    let bytes = 0;
    let crc = 0;
    for (;;) {
      const piece = await nextPiece(pieces);
      if (piece === 'broken off') return { kind: 'broken_off' };
      if (piece === undefined) break;
      bytes += piece.length;
      if (bytes > bytesMax) return failed({ code: 'too_large', bytes, bytesMax });
      crc = crc32(piece, crc);
      for (const chunk of gatherer.add(piece)) {
        const error = this.#mayNotGoOn() ?? (await this.#write(chunk));
        if (error !== undefined) return failed(error);
      }
    }
    if (length !== undefined && bytes !== length) return { kind: 'broken_off' };
    const rest = gatherer.rest();
    if (rest !== undefined) await this.#write(rest);
    const error = (await this.#settled()) ?? this.#mayNotGoOn();
    if (error !== undefined) return failed(error);
    return { kind: 'complete', manifest: { upload: id, bytes, chunkBytes, crc } };
  }

  /** Says that there may be so many chunks, durably, before there are. */
  async #reserve(chunksMax: number): Promise<KvError | undefined> {
    const { id, how, owner, chunks, timers } = this.#parts;
    const record = { owner, begunMicros: this.#begunMicros, chunksMax };
    // A write that failed may have happened.
    this.#chunksMax = chunksMax;
    return writeAgain(timers, () => chunks.putRecord(id, record, how));
  }

  /** Resolves when there is room for the next one; with what has failed. */
  async #write(chunk: Buffer): Promise<KvError | undefined> {
    const { id, how, chunks, timers } = this.#parts;
    const index = this.#next;
    this.#next += 1;
    if (index >= this.#chunksMax) this.#failure ??= await this.#reserve(2 * this.#chunksMax);
    if (this.#failure !== undefined) return this.#failure;
    this.#inFlight.push(writeAgain(timers, () => chunks.putChunk(id, index, chunk, how)));
    if (this.#inFlight.length >= windowMax) this.#failure ??= await this.#inFlight.shift();
    return this.#failure;
  }

  /** Resolves when nothing is under way; with what has failed. */
  async #settled(): Promise<KvError | undefined> {
    for (let oldest = this.#inFlight.shift(); oldest !== undefined; oldest = this.#inFlight.shift()) {
      const failure = await oldest;
      this.#failure ??= failure;
    }
    return this.#failure;
  }

  /** G3 counts on it that no upload lasts longer. */
  #mayNotGoOn(): KvError | undefined {
    const { isStopping, clock, msMax } = this.#parts;
    if (isStopping()) return { code: 'stopping' };
    return clock.now() - this.#begunAt > msMax ? { code: 'timeout' } : undefined;
  }
}
