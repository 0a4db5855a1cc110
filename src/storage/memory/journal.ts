/**
 * The journal of a memory engine: a directory with one file in use, `journal-GENERATION`.
 *
 * Rolling replaces that file by one of the next generation that holds only what is alive. The new file is
 * written under another name, synced, renamed, and its name synced; only then is it used. At a start the
 * highest generation wins. A roll that fails once its new name may exist cannot be taken back: the owner
 * must then write nothing until a later roll, of a yet higher generation, has succeeded.
 */
import type { Disk, DiskFile } from '../../environment/index.ts';
import { DiskError } from '../../environment/index.ts';
import { bufferOf, byteLiteral, OrderedMap, type OrderedMapSnapshot } from '../../stdx/index.ts';
import { StorageError, WriteBatch } from '../storage-engine.ts';
import { JournalFile, type Place } from './journal-file.ts';
import { checkFileHeader, ENTRY_HEAD_BYTES, FILE_HEADER_BYTES } from './journal-record.ts';
import { type JournalDamage, replayJournal } from './journal-replay.ts';

const NAME = /^journal-([0-9]{1,15})$/;
const UNFINISHED = /^journal-[0-9]{1,15}\.new$/;

/** A record of a rolled file or of a copy. */
const SLICE_ENTRIES_MAX = 4096;
const SLICE_BYTES_MAX = 1024 * 1024;

export interface OpenedJournal {
  readonly file: JournalFile;
  readonly tree: OrderedMap<Place>;
  readonly liveBytes: number;
  readonly damages: readonly JournalDamage[];
}

/** What an entry takes in the journal, with its share of no record head. */
export function entryBytes(keyLength: number, place: Place): number {
  return ENTRY_HEAD_BYTES + keyLength + place.length;
}

/** Opens the journal in `directory`, or begins one. Rejects with `DiskError` or `StorageError`. */
export async function openJournal(disk: Disk, directory: string): Promise<OpenedJournal> {
  const names = await listIfThere(disk, directory);
  for (const name of names) if (UNFINISHED.test(name)) await disk.remove(`${directory}/${name}`);
  const generation = Math.max(0, ...generationsIn(names));
  if (generation === 0) {
    await makeDurableDirectory(disk, directory);
    const file = await new JournalRoll(disk, directory, 1).finish();
    return { file: file.file, tree: file.tree, liveBytes: 0, damages: [] };
  }
  const opened = await reopen(disk, directory, generation);
  if (isWhole(opened.damages)) {
    await removeOlder(disk, directory, generation);
    return opened;
  }
  // A file with damage inside is replaced at once: were it added to, a later replay could not tell what
  // this one dropped from what rotted since.
  const roll = new JournalRoll(disk, directory, generation + 1);
  await roll.copy(opened.tree.snapshot(), opened.file);
  const rolled = await roll.finish();
  await opened.file.retire();
  await removeOlder(disk, directory, generation + 1);
  return { ...opened, ...rolled };
}

/** Writes a snapshot as a journal of its own. A copy that is cut short has no file under its final name. */
export async function copyJournal(
  disk: Disk,
  directory: string,
  snapshot: OrderedMapSnapshot<Place>,
  source: JournalFile,
): Promise<void> {
  if ((await listIfThere(disk, directory)).length > 0) {
    throw new StorageError('io', `${directory} is not empty`);
  }
  await makeDurableDirectory(disk, directory);
  const roll = new JournalRoll(disk, directory, 1);
  await roll.copy(snapshot, source);
  const { file } = await roll.finish();
  await file.retire();
}

async function reopen(disk: Disk, directory: string, generation: number): Promise<OpenedJournal> {
  const path = journalPath(directory, generation);
  const file = await disk.open(path, { create: false });
  const headerBytes = Math.min(file.size, FILE_HEADER_BYTES);
  const header = checkFileHeader(file.read(0, headerBytes), generation);
  const tree = new OrderedMap<Place>();
  let liveBytes = 0;
  const replayed = replayJournal(file, generation, (entry, bodyStart) => {
    const key = byteLiteral(entry.key.toString('latin1'));
    const { kind, offset, length, crc } = entry;
    const place: Place = {
      offset: kind === 'lost' ? undefined : bodyStart + offset,
      length,
      crc,
      unsynced: undefined,
    };
    const before = kind === 'delete' ? tree.delete(key) : tree.set(key, place);
    if (before !== undefined) liveBytes -= entryBytes(key.length, before);
    if (kind !== 'delete') liveBytes += entryBytes(key.length, place);
  });
  if (header === 'foreign' || (header === 'damaged' && replayed.records === 0)) {
    await file.close();
    throw new StorageError('format', `${path} is not a journal that this version knows`);
  }
  const damages = [...replayed.damages];
  if (header === 'damaged') damages.unshift({ file: path, from: 0, to: FILE_HEADER_BYTES, kind: 'rot' });
  // What was read back, the file's name too, may still be only in the cache of the system, if the process
  // was killed in the midst of a roll: make it durable before it is built on.
  if (file.size > replayed.end) await file.truncate(replayed.end);
  if (isWhole(damages)) await rewrite(file, replayed.syncedEnd, replayed.end);
  await file.sync();
  await disk.syncDirectory(directory);
  return { file: new JournalFile(file, generation, replayed.end, replayed.end), tree, liveBytes, damages };
}

function isWhole(damages: readonly JournalDamage[]): boolean {
  return damages.every((damage) => damage.kind === 'torn tail');
}

/**
 * Writes once more what no record says was on disk. A sync that failed before the process was killed leaves
 * bytes that can be read and are on no disk, and the next sync does not tell (Rebello et al., "Can
 * Applications Recover from fsync Failures?", ATC 2020).
 */
async function rewrite(file: DiskFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += SLICE_BYTES_MAX) {
    await file.write(at, file.read(at, Math.min(SLICE_BYTES_MAX, to - at)));
  }
}

/** Writes the next generation. Usable once. */
export class JournalRoll {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #generation: number;
  readonly #tree = new OrderedMap<Place>();
  #file: JournalFile | undefined;
  /** From here on the new name may exist: a failure cannot be taken back. */
  named = false;
  /** Keys whose value was found rotten: they are kept as such, so that they never read as missing. */
  lost = 0;

  constructor(disk: Disk, directory: string, generation: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#generation = generation;
  }

  /** Copies a snapshot's entries from the file they are in. */
  async copy(snapshot: OrderedMapSnapshot<Place>, source: JournalFile): Promise<void> {
    const slice = new Slice();
    for (const walker = snapshot.walk(); walker.next(); ) {
      this.#gather(slice, walker.key, walker.value, source);
      if (slice.isFull) await this.#flush(slice);
    }
    await this.#flush(slice);
  }

  /** Copies what changed since: the keys as they are in `snapshot` now. */
  async copyChanged(
    keys: ReadonlySet<string>,
    snapshot: OrderedMapSnapshot<Place>,
    source: JournalFile,
  ): Promise<void> {
    const slice = new Slice();
    for (const key of keys) {
      this.#gather(slice, key, snapshot.get(key), source);
      if (slice.isFull) await this.#flush(slice);
    }
    await this.#flush(slice);
  }

  /** Makes the new file durable under its name. */
  async finish(): Promise<{ file: JournalFile; tree: OrderedMap<Place> }> {
    const file = await this.#begun();
    await file.sync();
    // An empty record, to say that all before it was on disk: see journal-replay.ts.
    await file.append([new WriteBatch()], true);
    await file.retire();
    const path = journalPath(this.#directory, this.#generation);
    this.named = true;
    await this.#disk.rename(this.#unfinishedPath, path);
    await this.#disk.syncDirectory(this.#directory);
    const opened = await this.#disk.open(path, { create: false });
    return { file: new JournalFile(opened, this.#generation, file.end, file.end), tree: this.#tree };
  }

  /** Removes the unfinished file after a failure, if that is possible. */
  async abandon(): Promise<void> {
    await this.#file?.retire();
    if (!this.named && this.#file !== undefined) await this.#disk.remove(this.#unfinishedPath);
  }

  get #unfinishedPath(): string {
    return `${journalPath(this.#directory, this.#generation)}.new`;
  }

  async #begun(): Promise<JournalFile> {
    if (this.#file === undefined) {
      const file = await this.#disk.open(this.#unfinishedPath, { create: true });
      try {
        this.#file = await JournalFile.begin(file, this.#generation);
      } catch (cause) {
        await file.close();
        throw cause;
      }
    }
    return this.#file;
  }

  #gather(slice: Slice, name: string, place: Place | undefined, source: JournalFile): void {
    const key = bufferOf(byteLiteral(name));
    if (place === undefined) {
      slice.batch.delete(key);
    } else {
      const value = readTwice(source, key, place);
      if (value === undefined) {
        this.lost += 1;
        slice.lost.add(slice.batch.length);
      }
      slice.batch.put(key, value ?? bufferOf(byteLiteral('')));
    }
    slice.names.push(name);
  }

  async #flush(slice: Slice): Promise<void> {
    if (slice.names.length === 0) return;
    const file = await this.#begun();
    const [places] = await file.append([slice.batch], false, slice.lost);
    for (let i = 0; i < slice.names.length; i++) {
      if (slice.batch.values[i] === undefined) this.#tree.delete(slice.names[i]!);
      else this.#tree.set(slice.names[i]!, places![i]!);
    }
    slice.clear();
  }
}

class Slice {
  batch = new WriteBatch();
  names: string[] = [];
  lost = new Set<number>();

  get isFull(): boolean {
    return this.names.length >= SLICE_ENTRIES_MAX || this.batch.byteLength >= SLICE_BYTES_MAX;
  }

  clear(): void {
    this.batch = new WriteBatch();
    this.names = [];
    this.lost = new Set();
  }
}

/** A value that the device refuses twice counts as rotten: one bad sector must not stop all writes for ever. */
function readTwice(source: JournalFile, key: Buffer, place: Place): Buffer | undefined {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      return source.read(key, place);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
    }
  }
  return undefined;
}

/** Older generations are of no use; what cannot be removed now is tried again at the next start. */
export async function removeOlder(disk: Disk, directory: string, generation: number): Promise<void> {
  for (const older of generationsIn(await disk.list(directory))) {
    if (older < generation) await disk.remove(journalPath(directory, older));
  }
}

function generationsIn(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

async function listIfThere(disk: Disk, directory: string): Promise<readonly string[]> {
  try {
    return await disk.list(directory);
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'missing') return [];
    throw cause;
  }
}

async function makeDurableDirectory(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory);
  const slash = directory.lastIndexOf('/');
  await disk.syncDirectory(slash < 0 ? '' : directory.slice(0, slash));
}

function journalPath(directory: string, generation: number): string {
  return `${directory}/journal-${generation}`;
}
