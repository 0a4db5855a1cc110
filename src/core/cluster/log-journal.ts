/**
 * What a node keeps of the cluster on its disk, in a write-ahead log of its own: who it is, the last state that
 * it followed, and, while it is a voter or becomes one, its replica's log.
 *
 *   J1. A voter acknowledges only what is here: effects that must be durable wait for `done`.
 *   J2. A node tells others that it has folded up to an epoch only when that is here: what the fences of moves
 *       rest on (C5) does not go back with a restart.
 *   J3. Founding, joining, recovering and leaving a cluster replace all parts in one atomic batch.
 *   J4. Damage is never guessed over: a replica that lost a record is gone (it comes back under another name, as
 *       a learner), a state that lost a command is stale (the node asks before it serves).
 */
import type { Buffer } from 'node:buffer';
import type { LogWrite, SnapshotMark } from '../../consensus/index.ts';
import type { Log, Tasks } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import {
  type WalDone,
  type WalEnvironment,
  WalError,
  type WalLimits,
  WriteAheadLog,
  walLimits,
} from '../../wal/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { JournalContents } from './journal-contents.ts';
import { decodeRecord, encodeRecord, type JournalRecord } from './journal-record.ts';

const directory = 'cluster';
/** When so much has been written since the last whole record of everything, it is written anew. */
const recordsMax = 4000;
const bytesMax = 8 * 1024 * 1024;
/** The log of a replica that compaction, which writes it as one record, can still write. */
export const compactedLogBytesMax = 60 * 1024 * 1024;
/** A whole state may hold `registryBytesMax`, and stands in a batch twice: as followed and as the snapshot. */
const limits: WalLimits = {
  ...walLimits,
  recordBytesMax: 64 * 1024 * 1024,
  batchBytesMax: 192 * 1024 * 1024,
  segmentBytesMax: 256 * 1024 * 1024,
  queueBytesMax: 512 * 1024 * 1024,
};

export class LogJournal {
  readonly #wal: WriteAheadLog;
  readonly #log: Log;
  readonly #tasks: Tasks;
  #contents: JournalContents;
  #recordsSince = 0;
  #bytesSince = 0;

  private constructor(wal: WriteAheadLog, { log, tasks }: WalEnvironment) {
    this.#wal = wal;
    this.#log = log;
    this.#tasks = tasks;
    this.#contents = this.#replay();
  }

  /** Rejects with `WalError`. What it shows is durable. */
  static async open(environment: WalEnvironment): Promise<LogJournal> {
    const wal = await WriteAheadLog.open(environment, directory, limits);
    return new LogJournal(wal, environment);
  }

  /** As it will be when all that was written is durable. */
  get contents(): JournalContents {
    return this.#contents;
  }

  /** What a replica persists. */
  writeLog(write: LogWrite, done: WalDone): void {
    this.#append([{ kind: 'log', write }], done);
  }

  /** A snapshot of this replica's own state; `kept` stands behind it. */
  writeSnapshot(mark: SnapshotMark, agreed: Buffer, done: WalDone): void {
    const { replica } = this.#contents;
    assert(replica !== undefined, 'a replica runs here');
    const { hardState, entries } = replica.persisted;
    const kept = entries.filter(({ index }) => index > mark.index);
    this.#append(
      [
        { kind: 'replica', replica: { ...replica.stored, mark, agreed } },
        { kind: 'log', write: { hardState, entries: kept } },
      ],
      done,
    );
  }

  /** `state` was folded with one more command. */
  writeCommand(command: Buffer, state: ClusterState, done: WalDone): void {
    const { generation, epoch } = state;
    this.#append([{ kind: 'command', at: { generation, epoch }, command }], done, state);
  }

  /** `state` was replaced. */
  writeState(state: ClusterState, done: WalDone): void {
    this.#append([{ kind: 'state', state }], done);
  }

  /** All at once or nothing. */
  write(records: readonly JournalRecord[], done: WalDone): void {
    this.#append(records, done);
  }

  /**
   * All at once or nothing (J3), in the place of everything that was here: if a record of these rots, nothing of
   * another cluster or generation is left to be taken for the truth.
   */
  replace(records: readonly JournalRecord[], done: WalDone): void {
    const before = this.#contents;
    const first = this.#wal.nextIndex;
    this.#contents = new JournalContents();
    if (!this.#append(records, done)) this.#contents = before;
    else this.#dropBefore(first);
  }

  /** Reads anew what is on disk, after a write has failed; nothing may be on its way. */
  reload(): void {
    this.#contents = this.#replay();
  }

  drain(): Promise<void> {
    return this.#wal.drain();
  }

  close(): Promise<void> {
    return this.#wal.close();
  }

  /** Throws nothing: a log that takes no more is a log whose write failed. False: it did. */
  #append(records: readonly JournalRecord[], done: WalDone, folded?: ClusterState): boolean {
    const encoded = records.map(encodeRecord);
    try {
      this.#wal.appendBatch(encoded, done);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#failLater(error, done);
      return false;
    }
    for (const record of records) this.#contents.add(record, folded);
    this.#recordsSince += records.length;
    for (const { length } of encoded) this.#bytesSince += length;
    if (this.#recordsSince > recordsMax || this.#bytesSince > bytesMax) this.#compact();
    return true;
  }

  /** As the log itself does: never from inside the call, and after all that was asked before. */
  #failLater(error: WalError, done: WalDone): void {
    this.#log.error('the journal of the cluster took no more', { code: error.code, reason: error.message });
    this.#tasks.spawn('refuse a write of the journal', async () => {
      await this.#wal.drain();
      done(error);
    });
  }

  /** Writes all that counts once more, and drops what was before. */
  #compact(): void {
    // What is stale must not be written down as whole.
    if (!this.#contents.isStateWhole || !this.#contents.isReplicaWhole) return;
    const records = recordsOf(this.#contents);
    const encoded = records.map(encodeRecord);
    this.#recordsSince = 0;
    this.#bytesSince = 0;
    try {
      const first = this.#wal.appendBatch(encoded, this.#noteFailure);
      this.#dropBefore(first);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#noteFailure(error);
    }
  }

  /** What was replaced. If that fails it stays for a while, and counts for nothing. */
  #dropBefore(first: number): void {
    try {
      this.#wal.dropBefore(first, this.#noteFailure);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#noteFailure(error);
    }
  }

  readonly #noteFailure: WalDone = (error) => {
    if (error !== undefined) this.#log.warn('the journal was not compacted', { reason: error.message });
  };

  #replay(): JournalContents {
    const contents = new JournalContents();
    for (let index = this.#wal.firstIndex; index <= this.#wal.lastIndex; index++) {
      const bytes = this.#read(index);
      const record = bytes && decodeRecord(bytes);
      if (record !== undefined) contents.add(record);
      else contents.lost();
    }
    this.#recordsSince = this.#wal.lastIndex - this.#wal.firstIndex + 1;
    return contents;
  }

  #read(index: number): Buffer | undefined {
    try {
      return this.#wal.read(index);
    } catch (error) {
      if (!(error instanceof WalError && error.code === 'damaged')) throw error;
      this.#log.error('a record of the cluster log is damaged', { index, reason: error.message });
      return undefined;
    }
  }
}

function recordsOf(contents: JournalContents): readonly JournalRecord[] {
  const { identity, state, replica } = contents;
  const records: JournalRecord[] = [];
  if (identity !== undefined) records.push({ kind: 'identity', identity });
  if (state !== undefined) records.push({ kind: 'state', state });
  if (replica === undefined) return [...records, { kind: 'no-replica' }];
  const { hardState, entries } = replica.persisted;
  records.push({ kind: 'replica', replica: replica.stored }, { kind: 'log', write: { hardState, entries } });
  return records;
}
