/**
 * Values too large to be held in memory: cut into chunks on their way in, and sent chunk by chunk on their way out.
 *
 * The chunks are objects of their own; the object at the key holds a manifest in the place of the value, and is an object
 * as any other: it has siblings, a clock, metadata, index entries and an end of its life.
 *
 * G1  A manifest is written only when every chunk that it names is stored at the quorum of the write.
 * G2  A chunk is written once, and not changed.
 * G3  Chunks are removed only when no copy of their object refers to them, every replica has said so, nobody is away who
 *     could know better, and no write of theirs can still be under way (`ChunkSweep`).
 * G4  At most `windowMax` chunks of an upload, or of a value that is sent, are in memory at once.
 * G5  One chunk a turn of the event loop, of all transfers together (`ChunkTurns`).
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Environment } from '../../environment/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import type { StorageEngine } from '../../storage/index.ts';
import { type Content, encodeContent } from '../../wire/index.ts';
import { datatypeOf } from '../bucket-datatype.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import type { BucketAddress, PutRequest, PutResult } from '../key-value-store.ts';
import { KvFailure } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { LocalKeyValueStore } from '../local-key-value-store.ts';
import { checkName } from '../request-checks.ts';
import { generatedKeyLength, uniqueText } from '../unique-text.ts';
import { AssembledBytes, assembleObject } from './assemble-object.ts';
import { readBodyStart } from './body-start.ts';
import { ChunkStore } from './chunk-store.ts';
import { ChunkSweep } from './chunk-sweep.ts';
import type { LargeValueSettings } from './large-settings.ts';
import type { LargeValueObserver } from './large-value-observer.ts';
import { chunkCount, decodeManifest, encodeManifest, type Manifest, uploadIdLength } from './manifest.ts';
import { type ChunkRange, readChunks } from './read-chunks.ts';
import { Upload } from './upload.ts';
import { ValueStreams } from './value-streams.ts';

export interface LargePut extends Omit<PutRequest, 'content' | 'manifest'> {
  /** All but the value. */
  readonly content: Omit<Content, 'value' | 'manifest'>;
  /** Bytes that will come, if that is known. */
  readonly length?: number;
}

export type LargePutResult =
  | PutResult
  /** The body ended before its length, or rejected: nothing was written at the key. */
  | { readonly kind: 'broken_off' };

/** A value as it is sent. `chunks` must be read to its end, or ended by `return`. */
export interface LargeRead {
  readonly bytes: number;
  /** Throws `KvFailure`. */
  readonly chunks: AsyncIterable<Buffer>;
}

/** Large values as the APIs see them. */
export interface LargeValues {
  readonly settings: Pick<LargeValueSettings, 'thresholdBytes' | 'bytesMax'>;
  /**
   * Whether a value of so many bytes for that bucket is to come by `put`. Undefined: not known yet; `put` finds out, and
   * stores it as any other if it is not large.
   */
  takes(address: BucketAddress, bytes: number | undefined): boolean;
  /** Reads the body as fast as chunks are stored. Does not reject. */
  put(request: LargePut, body: AsyncIterable<Buffer>): Promise<LargePutResult>;
  /** `manifest`: of a content. Bytes of the value, or of a part of it; `KvError`: not now. */
  read(manifest: Buffer, range?: ChunkRange): LargeRead | KvError;
  /** Undefined: the bytes are no manifest. */
  lengthOf(manifest: Buffer): number | undefined;
}

export interface LargeValueParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly store: LocalKeyValueStore;
  readonly engine: StorageEngine;
  readonly defaults: BucketProperties;
  readonly observer: LargeValueObserver;
  readonly settings: LargeValueSettings;
}

export class LargeValueStore implements LargeValues {
  readonly settings: LargeValueSettings;
  /** Values of any length, in pieces. */
  readonly streams: ValueStreams;
  readonly #parts: LargeValueParts;
  readonly #chunks: ChunkStore;
  readonly #sweep: ChunkSweep;
  readonly #assembled: AssembledBytes;
  #uploads = 0;
  #downloads = 0;
  #isClosed = false;
  #uploadsEnded: (() => void) | undefined;

  constructor(parts: LargeValueParts) {
    this.#parts = parts;
    this.settings = parts.settings;
    const { environment, store, engine, defaults, observer, settings } = parts;
    const { coordinator, deletes } = store;
    this.#chunks = new ChunkStore({ environment, coordinator, deletes, defaults });
    this.#assembled = new AssembledBytes(settings.wholeHeldBytesMax);
    this.streams = new ValueStreams({
      store,
      large: this,
      held: this.#assembled,
      wholeBytesMax: settings.wholeBytesMax,
    });
    this.#sweep = new ChunkSweep({
      environment,
      engine,
      topology: coordinator.topology,
      names: coordinator.names,
      chunks: this.#chunks,
      propertiesOf: (address) => store.properties(address),
      isLoaded: () => store.defersHandoff(),
      observer,
      settings,
    });
    store.assembleWith((object, done) => {
      const { wholeBytesMax } = settings;
      const assembly = {
        chunks: this.#chunks,
        held: this.#assembled,
        wholeBytesMax,
        timers: environment.timers,
      };
      environment.tasks.spawn('assemble a value', async () => {
        const whole = await assembleObject(assembly, object);
        observer.largeValueAssembled('code' in whole ? 'failed' : 'done');
        done(whole);
      });
    });
  }

  /** Begins to look for what nothing refers to. */
  start(): void {
    this.#sweep.start();
  }

  /** Begins nothing any more, and waits for nothing. */
  stop(): void {
    this.#isClosed = true;
    this.#sweep.stop();
  }

  /** Ends what is in progress at its next step. To be called before the store is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#sweep.close();
    if (this.#uploads === 0) return;
    await new Promise<void>((resolve) => {
      this.#uploadsEnded = resolve;
    });
  }

  /** Uploads, and values being sent. */
  get inProgress(): { readonly uploads: number; readonly downloads: number } {
    return { uploads: this.#uploads, downloads: this.#downloads };
  }

  takes(address: BucketAddress, bytes: number | undefined): boolean {
    if (bytes === undefined ? !this.#hasRoom : bytes <= this.settings.thresholdBytes) return false;
    const properties = this.#parts.store.properties(address);
    // A hook is shown the value, and a data type is its value: these stay whole, and as small as objects are.
    return (
      properties !== undefined &&
      properties.precommit.length === 0 &&
      properties.postcommit.length === 0 &&
      datatypeOf(properties) === undefined
    );
  }

  async put(request: LargePut, body: AsyncIterable<Buffer>): Promise<LargePutResult> {
    const { observer } = this.#parts;
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return { kind: 'failed', error: refusal };
    this.#uploads += 1;
    try {
      const start =
        request.length === undefined
          ? await readBodyStart(body, this.settings.thresholdBytes)
          : ({ kind: 'more', body } as const);
      if (start.kind === 'broken_off') return start;
      if (start.kind === 'whole') return await this.#put(request, start.bytes, undefined);
      const result = await this.#upload(request, start.body);
      observer.largePutFinished(result.kind);
      return result;
    } finally {
      this.#uploads -= 1;
      if (this.#uploads === 0) this.#uploadsEnded?.();
    }
  }

  read(encoded: Buffer, range?: ChunkRange): LargeRead | KvError {
    const manifest = decodeManifest(encoded);
    if (manifest === undefined) return { code: 'storage', reason: 'the manifest of the value is damaged' };
    if (this.#isClosed) return { code: 'stopping' };
    if (this.#downloads >= this.settings.downloadsMax) return { code: 'overload' };
    const from = range?.from ?? 0;
    const to = range?.to ?? manifest.bytes;
    return { bytes: to - from, chunks: this.#counted(manifest, { from, to }, range === undefined) };
  }

  lengthOf(encoded: Buffer): number | undefined {
    return decodeManifest(encoded)?.bytes;
  }

  async *#counted(manifest: Manifest, range: ChunkRange, isWhole: boolean): AsyncIterable<Buffer> {
    this.#downloads += 1;
    let outcome: 'done' | 'failed' = 'failed';
    let crc = 0;
    let held: Buffer | undefined;
    const { observer, environment } = this.#parts;
    try {
      for await (const bytes of readChunks(this.#chunks, environment.timers, manifest, range)) {
        if (this.#isClosed) throw new KvFailure({ code: 'stopping' });
        if (isWhole) crc = crc32(bytes, crc);
        if (held !== undefined) yield held;
        held = bytes;
        observer.largeBytesSent(bytes.length);
      }
      // Who reads it must not have its last byte before it is known to be right.
      if (isWhole && crc !== manifest.crc) {
        throw new KvFailure({ code: 'storage', reason: 'the value is not what was written' });
      }
      if (held !== undefined) yield held;
      outcome = 'done';
    } finally {
      this.#downloads -= 1;
      observer.largeGetFinished(outcome);
    }
  }

  get #hasRoom(): boolean {
    return this.#uploads < this.settings.uploadsMax;
  }

  #refusal(request: LargePut): KvError | undefined {
    const { store } = this.#parts;
    if (this.#isClosed) return { code: 'stopping' };
    const { bytesMax } = this.settings;
    const properties = store.door.lookUp(request);
    if ('code' in properties) return properties;
    const badKey = request.key === undefined ? undefined : checkName('key', request.key);
    if (badKey !== undefined) return badKey;
    if (request.length !== undefined && request.length > bytesMax) {
      return { code: 'too_large', bytes: request.length, bytesMax };
    }
    if (!this.#hasRoom || store.refuses('write')) return { code: 'overload' };
    return undefined;
  }

  async #upload(request: LargePut, body: AsyncIterable<Buffer>): Promise<LargePutResult> {
    const { environment, store, observer } = this.#parts;
    const { random, clock, timers } = environment;
    const { chunkBytes, bytesMax, uploadMsMax } = this.settings;
    const properties = store.door.lookUp(request);
    if ('code' in properties) {
      // Its beginning has been read.
      await body[Symbol.asyncIterator]().return?.();
      return { kind: 'failed', error: properties };
    }
    const generatedKey = request.key === undefined ? uniqueText(random, generatedKeyLength) : undefined;
    const { bucketType, bucket } = request;
    const owner = { bucketType, bucket, key: request.key ?? generatedKey ?? byteLiteral('') };
    const id = uniqueText(random, uploadIdLength);
    const upload = new Upload({
      id,
      owner,
      how: this.#chunks.writing(request, properties),
      chunks: this.#chunks,
      clock,
      timers,
      chunkBytes,
      bytesMax,
      msMax: uploadMsMax,
      isStopping: () => this.#isClosed,
    });
    const outcome = await upload.run(body, request.length);
    if (outcome.kind !== 'complete') {
      // No manifest was ever sent: nothing can refer to these.
      this.#sweep.remove(id, upload.chunksMax);
      return outcome;
    }
    const { manifest } = outcome;
    assert(upload.chunksMax >= chunkCount(manifest), 'the record knows of every chunk (G3)');
    observer.largeBytesStored(manifest.bytes);
    const result = await this.#put({ ...request, key: owner.key }, Buffer.alloc(0), manifest);
    return result.kind === 'stored' && generatedKey !== undefined ? { ...result, generatedKey } : result;
  }

  #put(request: LargePut, value: Buffer, manifest: Manifest | undefined): Promise<PutResult> {
    const { length: _, content, ...rest } = request;
    const put: PutRequest = {
      ...rest,
      content: encodeContent({ ...content, value }),
      ...(manifest === undefined ? {} : { manifest: encodeManifest(manifest) }),
    };
    return new Promise((resolve) => this.#parts.store.put(put, resolve));
  }
}
