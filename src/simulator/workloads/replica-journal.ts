/**
 * What a replica of a replicated log persists, in a write-ahead log: one record a `persist` effect, and one
 * a snapshot, behind which all older records are dropped.
 */
import { Buffer } from 'node:buffer';
import {
  decodeLogWrite,
  decodeSnapshotMark,
  type Effect,
  encodeLogWrite,
  encodeSnapshotMark,
  type LogIndex,
  type PersistedState,
  type SnapshotMark,
} from '../../consensus/index.ts';
import type { Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { type WalDone, WriteAheadLog } from '../../wal/index.ts';

const recordKind = { write: 1, snapshot: 2 } as const;
const lengthBytes = 4;

/** The application's state, as bytes, after the entry that the mark names. */
export interface StoredSnapshot {
  readonly mark: SnapshotMark;
  readonly state: Buffer;
}

export class ReplicaJournal {
  readonly #log: WriteAheadLog;
  #persisted: PersistedState;
  #snapshot: StoredSnapshot;

  private constructor(log: WriteAheadLog, persisted: PersistedState) {
    this.#log = log;
    this.#persisted = persisted;
    this.#snapshot = { mark: persisted.snapshot, state: Buffer.alloc(0) };
  }

  /** What was persisted, or a journal that begins with `initial`, durably. */
  static async open(environment: Environment, initial: PersistedState): Promise<ReplicaJournal> {
    const log = await WriteAheadLog.open(environment, 'replica');
    const isWhole = log.damages.every(({ kind }) => kind === 'torn tail');
    assert(isWhole, 'the journal has all that was acknowledged');
    const journal = new ReplicaJournal(log, initial);
    if (log.lastIndex < log.firstIndex) {
      journal.write({ ...initial }, () => undefined);
      await log.drain();
      assert(log.lastIndex >= log.firstIndex, 'the journal could be begun');
    } else {
      for (let index = log.firstIndex; index <= log.lastIndex; index++) journal.#replay(log.read(index));
    }
    return journal;
  }

  /** As it will be when all that was written is durable. */
  get persisted(): PersistedState {
    return this.#persisted;
  }

  get snapshot(): StoredSnapshot {
    return this.#snapshot;
  }

  write(write: Pick<Extract<Effect, { kind: 'persist' }>, 'hardState' | 'entries'>, done: WalDone): void {
    this.#log.append(Buffer.concat([Buffer.from([recordKind.write]), encodeLogWrite(write)]), done);
    this.#apply(write);
  }

  /** Replaces the snapshot that there was; entries behind it stay. */
  writeSnapshot(snapshot: StoredSnapshot, done: WalDone): void {
    this.#adoptSnapshot(snapshot);
    const mark = encodeSnapshotMark(snapshot.mark);
    const rest = encodeLogWrite(this.#persisted);
    const parts = [mark, rest].flatMap((bytes) => [lengthOf(bytes), bytes]);
    const index = this.#log.append(
      Buffer.concat([Buffer.from([recordKind.snapshot]), ...parts, snapshot.state]),
      done,
    );
    this.#log.dropBefore(index, () => undefined);
  }

  /** A snapshot that came from elsewhere: nothing behind it is kept. */
  installSnapshot(snapshot: StoredSnapshot, hardState: PersistedState['hardState'], done: WalDone): void {
    this.#persisted = { ...this.#persisted, hardState, entries: [] };
    this.writeSnapshot(snapshot, done);
  }

  #apply({ hardState, entries }: Pick<Extract<Effect, { kind: 'persist' }>, 'hardState' | 'entries'>): void {
    const from: LogIndex = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    const kept = this.#persisted.entries.filter(({ index }) => index < from);
    this.#persisted = {
      ...this.#persisted,
      hardState: hardState ?? this.#persisted.hardState,
      entries: [...kept, ...entries],
    };
  }

  #adoptSnapshot(snapshot: StoredSnapshot): void {
    this.#snapshot = snapshot;
    const { mark } = snapshot;
    const entries = this.#persisted.entries.filter(({ index }) => index > mark.index);
    this.#persisted = { ...this.#persisted, snapshot: mark, entries };
  }

  #replay(record: Buffer): void {
    if (record[0] === recordKind.write) {
      const write = decodeLogWrite(record.subarray(1));
      assert(write !== undefined, 'a record of the journal is whole');
      this.#apply(write);
      return;
    }
    assert(record[0] === recordKind.snapshot, 'a record of the journal has a kind');
    const mark = sized(record, 1);
    const rest = sized(record, 1 + lengthBytes + mark.length);
    const state = Buffer.from(record.subarray(1 + 2 * lengthBytes + mark.length + rest.length));
    const decodedMark = decodeSnapshotMark(mark);
    const decodedRest = decodeLogWrite(rest);
    assert(decodedMark !== undefined && decodedRest !== undefined, 'a snapshot of the journal is whole');
    this.#persisted = { ...this.#persisted, entries: [] };
    this.#apply(decodedRest);
    this.#adoptSnapshot({ mark: decodedMark, state });
  }
}

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.allocUnsafe(lengthBytes);
  length.writeUInt32LE(bytes.length);
  return length;
}

function sized(record: Buffer, at: number): Buffer {
  const start = at + lengthBytes;
  return record.subarray(start, start + record.readUInt32LE(at));
}
