/**
 * Removes chunks to which nothing refers: of values that were replaced, deleted or have expired, and of uploads whose node
 * died. There is one look at all uploads now and then, by the node that owns the first partition of the upload's record;
 * so nothing has to be remembered of what a write replaced, and whoever dies in the middle is taken over from.
 *
 * Chunks go (G3) when
 *  - the upload began more than twice the time ago that an upload may take: no manifest of it is still on its way,
 *  - nobody is away or holds stray data, and every replica of the object, each a primary, was asked and none refers to them,
 *  - that was so twice, `lingerMs` and as long as an upload may take apart: whoever began to read the value before it was
 *    replaced may end, and an upload that by this node's wall clock began long ago, but did not, has ended.
 * The record goes last.
 */
import type { Partition } from '../../core/ring/index.ts';
import type { Topology } from '../../core/topology/index.ts';
import type { Environment, Instant } from '../../environment/index.ts';
import { type ByteString, byteStringOf } from '../../stdx/index.ts';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import { BackgroundTask } from '../anti-entropy/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { chunkType, uploadBucket } from '../chunk-space.ts';
import type { NameHash } from '../coordinator/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import { bucketRange } from '../vnode/index.ts';
import type { ChunkStore } from './chunk-store.ts';
import type { LargeValueSettings } from './large-settings.ts';
import type { LargeValueObserver } from './large-value-observer.ts';
import { refersTo } from './manifest.ts';
import type { UploadRecord } from './upload-record.ts';

const sliceLimits = { entriesMax: 64, bytesMax: 64 * 1024 };
const uploadsPrefix = { bucketType: chunkType, bucket: uploadBucket };
const microsPerMs = 1000;
/** Uploads that were found unreferred to once. Beyond these the others wait. */
const suspectsMax = 10_000;
/** Uploads that failed here and are removed at once. Beyond these the next look finds them. */
const removalsMax = 64;

export interface ChunkSweepParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
  readonly engine: StorageEngine;
  readonly topology: Topology;
  readonly names: NameHash;
  readonly chunks: ChunkStore;
  /** Undefined: there is no such bucket type, so that its objects are nobody's. */
  readonly propertiesOf: (address: BucketAddress) => BucketProperties | undefined;
  /** There is too much to do for what is not urgent. */
  readonly isLoaded: () => boolean;
  readonly observer: LargeValueObserver;
  readonly settings: LargeValueSettings;
}

export class ChunkSweep {
  readonly #parts: ChunkSweepParts;
  readonly #task: BackgroundTask;
  /** Since when nothing was seen to refer to an upload. */
  readonly #suspects = new Map<ByteString, Instant>();
  readonly #removals: { readonly upload: ByteString; readonly chunksMax: number }[] = [];

  constructor(parts: ChunkSweepParts) {
    this.#parts = parts;
    this.#task = new BackgroundTask('chunk-sweep', parts.environment);
  }

  start(): void {
    this.#task.start(async () => {
      while (!this.#task.pause.isClosed) {
        await this.#task.pause.for(this.#parts.settings.sweepIntervalMs);
        await this.#removeFailed();
        await this.#lookAround();
      }
    });
  }

  stop(): void {
    this.#task.stop();
  }

  close(): Promise<void> {
    return this.#task.close();
  }

  /** Of an upload to which nothing can ever have referred: soon. */
  remove(upload: ByteString, chunksMax: number): void {
    if (this.#removals.length >= removalsMax) return;
    this.#removals.push({ upload, chunksMax });
    this.#task.pause.wake();
  }

  async #removeFailed(): Promise<void> {
    for (;;) {
      const removal = this.#removals.shift();
      if (removal === undefined || this.#task.pause.isClosed) return;
      // The record stays for the next look: a write of a chunk that was given up may come yet.
      await this.#removeChunks(removal.upload, removal.chunksMax);
    }
  }

  async #lookAround(): Promise<void> {
    const { topology, environment } = this.#parts;
    const suspected = new Set<ByteString>();
    let isWhole = true;
    for (const partition of topology.ring.partitionsOf(topology.self)) {
      if (this.#task.pause.isClosed || !this.#mayForget()) return;
      try {
        await this.#lookInto(partition, suspected);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        environment.log.warn('a partition could not be searched for uploads; it is tried again', {
          partition,
          reason: error.message,
        });
        isWhole = false;
      }
    }
    if (!isWhole) return;
    // What was removed elsewhere, or went to another node with its partition, must not keep others out.
    for (const upload of this.#suspects.keys()) if (!suspected.has(upload)) this.#suspects.delete(upload);
  }

  #mayForget(): boolean {
    return this.#parts.topology.isSettled && !this.#parts.isLoaded();
  }

  async #lookInto(partition: Partition, suspected: Set<ByteString>): Promise<void> {
    const { engine, topology, names } = this.#parts;
    const range = bucketRange(partition, uploadsPrefix);
    const nameStart = range.from!.length;
    const cursor = engine.scan(range, { keysOnly: true });
    try {
      for (;;) {
        const entries = await cursor.next(sliceLimits);
        if (entries.length === 0) return;
        for (const entry of entries) {
          const upload = byteStringOf(entry.key, nameStart);
          const first = topology.ring.partitionOf(names.of({ ...uploadsPrefix, key: upload }));
          if (first === partition) await this.#lookAt(upload);
          if (this.#suspects.has(upload)) suspected.add(upload);
          if (this.#task.pause.isClosed) return;
        }
      }
    } finally {
      await cursor.close();
    }
  }

  async #lookAt(upload: ByteString): Promise<void> {
    const { chunks, environment, settings } = this.#parts;
    const record = await chunks.getRecord(upload);
    if (record === undefined || (await this.#isNeeded(upload, record))) {
      this.#suspects.delete(upload);
      return;
    }
    const now = environment.clock.now();
    const since = this.#suspects.get(upload);
    if (since === undefined) {
      if (this.#suspects.size < suspectsMax) this.#suspects.set(upload, now);
      return;
    }
    // By a clock that does not jump: the wall clocks of two nodes have said how old it is, and one of them may be wrong.
    const restsMs = now - since;
    if (restsMs < settings.lingerMs + settings.uploadMsMax) return;
    if (await this.#forget(upload, record.chunksMax)) this.#suspects.delete(upload);
  }

  /** True also if that is not certain. */
  async #isNeeded(upload: ByteString, { owner, begunMicros }: UploadRecord): Promise<boolean> {
    const { chunks, environment, settings, propertiesOf, topology, names } = this.#parts;
    const ageMs = (environment.clock.wallMicros() - begunMicros) / microsPerMs;
    if (ageMs < 2 * settings.uploadMsMax) return true;
    const properties = propertiesOf(owner);
    // A type that was dropped took its objects with it; what this node knows of types is never older than its ring.
    if (properties === undefined) return !this.#mayForget();
    // Most are in use, and one answer shows it.
    const usual = await chunks.read(owner, properties);
    if (usual.kind === 'failed' || refersTo(usual.object, upload)) return true;
    const bucketOnly = properties.chash_keyfun.fun === 'chash_bucketonly_keyfun';
    const first = topology.ring.partitionOf(names.of(owner, bucketOnly));
    for (let step = 0; step < properties.n_val; step += 1) {
      if (topology.isMoving(topology.ring.after(first, step))) return true;
    }
    if (!this.#mayForget()) return true;
    const everywhere = await chunks.readEverywhere(owner, properties);
    return everywhere.kind === 'failed' || refersTo(everywhere.object, upload) || !this.#mayForget();
  }

  /** True: nothing of it is left. What fails is found again by its record. */
  async #forget(upload: ByteString, chunksMax: number): Promise<boolean> {
    const { chunks, observer } = this.#parts;
    if (!(await this.#removeChunks(upload, chunksMax)) || !(await chunks.deleteRecord(upload))) return false;
    observer.uploadForgotten(chunksMax);
    return true;
  }

  /** True: all are gone. */
  async #removeChunks(upload: ByteString, chunksMax: number): Promise<boolean> {
    const { chunks, settings } = this.#parts;
    for (let index = 0; index < chunksMax; index += 1) {
      if (!(await chunks.deleteChunk(upload, index))) return false;
      await this.#task.pause.for(1000 / settings.removalsPerSecondMax);
      if (this.#task.pause.isClosed) return false;
    }
    return true;
  }
}
