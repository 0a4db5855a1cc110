/**
 * The log engine: values in an append-only log, their places in an index beside it (docs/internals/log-engine.md).
 *
 * What holds:
 * - A 'synced' write resolves after a sync that began after its frame was written.
 * - The index learns of a write only after that, so what is read was acknowledged or is about to be.
 * - Writes, slices of collection, and what changes the end of the log take turns.
 * - After a failed write or sync its segment is never written again. The engine is `failing`: it refuses writes, serves
 *   reads, and tries to begin a new segment with what was not synced; once that is durable it is healthy.
 * - The log has all there is to know; the index can be built from it (`rebuild-index.ts`), and is when it is damaged.
 */
import type { Buffer } from 'node:buffer';
import type { Environment, Log } from '../../environment/index.ts';
import { byteStringOf } from '../../stdx/index.ts';
import { corruptEntry } from '../corrupt-entry.ts';
import { Recovery } from '../recovery.ts';
import {
  type Cursor,
  type Durability,
  type EngineGauge,
  type KeyRange,
  type ScanOptions,
  type StorageEngine,
  StorageError,
  type StorageHealth,
  type WriteBatch,
} from '../storage-engine.ts';
import { copyEntries } from './copy-entries.ts';
import { diskFailure } from './disk-failure.ts';
import type { KeyIndex } from './key-index.ts';
import { LogCursor, readFailure } from './log-cursor.ts';
import { GROUP_BYTES_MAX } from './log-limits.ts';
import { RECORD_HEAD_BYTES, valueOfRecord } from './log-record.ts';
import type { LogWriter } from './log-writer.ts';
import type { SegmentSet } from './segment.ts';
import type { Turns } from './turns.ts';
import type { Upkeep } from './upkeep.ts';
import { applyFrames, batchWrite, rangeWrite, type WaitingWrite } from './waiting-write.ts';

export interface LogEngineParts {
  readonly log: Log | undefined;
  readonly environment: Pick<Environment, 'timers' | 'tasks'>;
  readonly segments: SegmentSet;
  readonly index: KeyIndex;
  readonly writer: LogWriter;
  readonly turns: Turns;
  readonly upkeep: Upkeep;
  /** Opens another engine, for a copy, in an empty directory of the same disk. */
  readonly openCopy: (directory: string) => Promise<LogEngine>;
}

export class LogEngine implements StorageEngine {
  readonly name = 'log';
  readonly #parts: LogEngineParts;
  readonly #index: KeyIndex;
  readonly #segments: SegmentSet;
  readonly #recovery: Recovery;
  #queue: WaitingWrite[] = [];
  #isPumping = false;
  #failure: StorageError | undefined;
  #isClosing = false;
  /** Writes that had to wait for background work. */
  #stalls = 0;
  readonly #doubted: (() => void)[] = [];

  constructor(parts: LogEngineParts) {
    this.#parts = parts;
    this.#index = parts.index;
    this.#segments = parts.segments;
    this.#recovery = new Recovery(parts.environment, 'storage-recovery', () => this.#recover());
    parts.upkeep.start({
      failed: (cause) => this.#fail(diskFailure(cause, 'collecting garbage')),
      isStopped: () => this.#isClosing || this.#failure !== undefined,
      doubted: () => {
        for (const doubted of this.#doubted) doubted();
      },
    });
  }

  get health(): StorageHealth {
    const error = this.#failure ?? this.#parts.upkeep.blockage;
    return error === undefined ? { kind: 'healthy' } : { kind: 'failing', error };
  }

  get(key: Buffer): Buffer | undefined {
    this.#assertOpen();
    const place = this.#find(key);
    if (place === undefined || place.kind === 'delete') return undefined;
    if (place.kind === 'lost') throw corruptEntry(key);
    let record: Buffer;
    try {
      record = this.#segments.read(
        place.segment,
        place.offset,
        RECORD_HEAD_BYTES + key.length + place.length,
      );
    } catch (cause) {
      throw readFailure(cause, key);
    }
    const value = valueOfRecord(record, key);
    if (value === undefined) throw corruptEntry(key);
    return value;
  }

  async write(batch: WriteBatch, durability: Durability): Promise<void> {
    if (batch.length === 0) return this.#assertWritable();
    await this.#enqueue(batchWrite(batch, durability));
  }

  /** As `write`, synced; `lost` are indexes of the batch whose values have rotted. */
  async writeCopied(batch: WriteBatch, lost: ReadonlySet<number>): Promise<void> {
    if (batch.length > 0) await this.#enqueue(batchWrite(batch, 'os', lost));
  }

  scan(range: KeyRange, options: ScanOptions = {}): Cursor {
    this.#assertOpen();
    const { turns, upkeep } = this.#parts;
    return new LogCursor(range, options, {
      snapshot: this.#index.snapshot(),
      pin: this.#segments.pin(),
      assertOpen: () => this.#assertOpen(),
      yieldTurn: () => turns.yieldTurn(),
      indexDamaged: () => upkeep.indexDamaged(),
    });
  }

  async deleteRange(range: KeyRange): Promise<void> {
    await this.#enqueue(rangeWrite(range));
    this.#parts.upkeep.wake();
  }

  async sizeEstimate(range: KeyRange): Promise<number> {
    this.#assertOpen();
    return this.#index.sizeEstimate(range);
  }

  async copyTo(directory: string): Promise<void> {
    this.#assertOpen();
    const lost = new Set<string>();
    const corrupt = (key: Buffer | undefined): void => {
      if (key !== undefined) lost.add(byteStringOf(key));
    };
    const cursor = this.scan({}, { corrupt });
    try {
      const copy = await this.#parts.openCopy(directory);
      try {
        await copyEntries(cursor, copy, lost);
      } finally {
        await copy.close();
      }
    } catch (cause) {
      throw diskFailure(cause, `copying to ${directory}`);
    } finally {
      await cursor.close();
    }
  }

  onDoubt(doubted: () => void): void {
    this.#doubted.push(doubted);
  }

  gauges(): readonly EngineGauge[] {
    const { upkeep } = this.#parts;
    return [
      ...upkeep.gauges(),
      {
        name: 'log_write_stalls',
        help: 'Groups of writes that had to wait until the index was written out.',
        value: this.#stalls,
      },
    ];
  }

  /** What is being written is; what is queued behind it is refused. 'os' writes are synced, if the disk takes it. */
  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const { upkeep, turns, writer, log } = this.#parts;
    await this.#recovery.stop();
    await upkeep.stop();
    await turns.exclusively(async () => {
      this.#rejectQueue(closedError());
      try {
        if (this.#failure === undefined) await writer.mark();
      } catch (cause) {
        log?.warn('the last sync failed', { error: diskFailure(cause, 'closing').message });
      }
    });
    await this.#index.close();
    await this.#segments.close();
  }

  #find(key: Buffer) {
    try {
      return this.#index.find(key);
    } catch (cause) {
      if (cause instanceof StorageError && cause.code === 'corrupt') this.#parts.upkeep.indexDamaged();
      throw cause;
    }
  }

  #enqueue(write: Omit<WaitingWrite, 'resolve' | 'reject'>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#assertWritable();
      this.#queue.push({ ...write, resolve, reject });
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    const { turns, environment } = this.#parts;
    environment.tasks.spawn('storage-log', async () => {
      while (this.#queue.length > 0) {
        await this.#makeRoom();
        await turns.exclusively(() => this.#writeGroup());
      }
      this.#isPumping = false;
    });
  }

  /** Waits while the index cannot take more. */
  async #makeRoom(): Promise<void> {
    const { upkeep } = this.#parts;
    if (!upkeep.isBehind) return;
    this.#stalls += 1;
    while (upkeep.isBehind && this.#failure === undefined && !this.#isClosing) {
      try {
        await upkeep.progress();
      } catch (cause) {
        this.#rejectQueue(diskFailure(cause, 'writing the index'));
        return;
      }
    }
  }

  async #writeGroup(): Promise<void> {
    // The engine may have failed while these waited: nothing may be added to the old segment then.
    if (this.#failure !== undefined) this.#rejectQueue(this.#failure);
    const group = this.#takeGroup();
    if (group.length === 0) return;
    const { writer } = this.#parts;
    const sync = group.some((write) => write.durability === 'synced');
    try {
      applyFrames(group, await writer.append(group, sync), this.#parts);
    } catch (cause) {
      const error = diskFailure(cause, 'writing the log');
      this.#fail(error);
      for (const write of group) write.reject(error);
      this.#rejectQueue(error);
      return;
    }
    for (const write of group) write.resolve();
    try {
      await this.#parts.upkeep.freezeIfFull();
    } catch (cause) {
      this.#fail(diskFailure(cause, 'writing the log'));
    }
  }

  #takeGroup(): WaitingWrite[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && bytes < GROUP_BYTES_MAX) {
      bytes += this.#queue[count]!.bodyBytes;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #recover(): Promise<'recovered' | 'still failing'> {
    const { writer, turns, log, upkeep } = this.#parts;
    try {
      await turns.exclusively(async () => {
        const moved = await writer.recover();
        if (moved !== undefined) this.#index.moveRecords(moved.from, moved.to);
        this.#failure = undefined;
      });
    } catch (cause) {
      this.#failure = diskFailure(cause, 'beginning a new segment');
      return 'still failing';
    }
    log?.info('storage has recovered');
    upkeep.wake();
    return 'recovered';
  }

  #fail(error: StorageError): void {
    if (this.#failure !== undefined || this.#isClosing) return;
    this.#failure = error;
    this.#parts.log?.error('storage refuses writes', { code: error.code, error: error.message });
    this.#recovery.start();
  }

  #rejectQueue(error: StorageError): void {
    for (const waiting of this.#queue.splice(0)) waiting.reject(error);
  }

  #assertOpen(): void {
    if (this.#isClosing) throw closedError();
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function closedError(): StorageError {
  return new StorageError('closed', 'the storage engine is closed');
}
