/**
 * A node's disk, which lives longer than its processes and is as hostile as POSIX allows.
 *
 * Invariants:
 *   D1. What a resolved `sync` covered survives every crash, except for rot.
 *   D2. Of what was not synced, a power cut keeps any subset of 512-byte sectors (Alagappan et al.,
 *       OSDI 2016: "Correlated Crash Vulnerabilities"; sectors may reach the platter in any order).
 *   D3. Of names made, moved or removed and not covered by `syncDirectory`, a power cut keeps any
 *       subset; one rename is atomic.
 *   D4. A failed sync leaves each covered write either durable or lost, and a later sync does not
 *       tell (Rebello et al., ATC 2020: "Can Applications Recover from fsync Failures?").
 *   D5. `kill -9` loses no write that was resolved.
 */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import type { Prng } from './prng.ts';
import { type Change, type PendingWrite, SimulatedInode } from './simulated-inode.ts';
import type { Life } from './simulated-process.ts';
import type { World } from './world.ts';

export interface DiskConditions {
  /** Mean times in milliseconds. */
  readonly writeMs: number;
  readonly syncMs: number;
  /** Probabilities. */
  readonly writeFailure: number;
  readonly syncFailure: number;
  readonly readFailure: number;
  readonly capacityBytes: number;
}

export const quietDisk: DiskConditions = {
  writeMs: 0.02,
  syncMs: 0.3,
  writeFailure: 0,
  syncFailure: 0,
  readFailure: 0,
  capacityBytes: 2 ** 30,
};

type Entry = SimulatedInode | 'directory';
/** One change of names. `undefined` removes the name. A rename changes two at once. */
type NameChange = {
  readonly directories: readonly string[];
  readonly names: readonly (readonly [string, Entry | undefined])[];
};

export class SimulatedDisk {
  conditions: DiskConditions = quietDisk;
  /** Writes that were submitted, of all lives. */
  writes = 0;
  readonly #world: World;
  readonly #node: string;
  readonly #random: Prng;
  #names = new Map<string, Entry>();
  #durableNames = new Map<string, Entry>();
  #nameChanges: NameChange[] = [];

  constructor(world: World, node: string) {
    this.#world = world;
    this.#node = node;
    this.#random = world.random.fork(`disk ${node}`);
  }

  of(life: Life): Disk {
    return new DiskOfLife(this, life);
  }

  get usedBytes(): number {
    let used = 0;
    for (const entry of this.#names.values()) if (entry !== 'directory') used += entry.size;
    return used;
  }

  /** Leaves so much room, by shrinking the device. */
  leaveFreeBytes(free: number): void {
    this.conditions = { ...this.conditions, capacityBytes: this.usedBytes + free };
  }

  /** Flips one random bit of the synced bytes of a file, any file unless named. False if there is none. */
  rot(path?: string): boolean {
    const all = [...this.#names].filter(([name, entry]) => {
      return entry !== 'directory' && entry.syncedSize > 0 && (path === undefined || name === path);
    });
    if (all.length === 0) return false;
    const [name, entry] = this.#random.pick(all);
    const at = (entry as SimulatedInode).rot(this.#random);
    this.#world.record(this.#node, 'bit-rot', `${name} at ${at}`);
    return true;
  }

  lifeEnded(isPowerCut: boolean): void {
    if (isPowerCut) this.#loseNames();
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()]);
    for (const inode of inodes) {
      if (inode !== 'directory') inode.lifeEnded(isPowerCut, this.#random);
    }
  }

  latencyMs(mean: number): number {
    return this.#random.exponential(mean);
  }

  fails(probability: number): boolean {
    return probability > 0 && this.#random.chance(probability);
  }

  get random(): Prng {
    return this.#random;
  }

  record(kind: string, detail: string): void {
    this.#world.record(this.#node, kind, detail);
  }

  find(path: string): Entry | undefined {
    return path === '' ? 'directory' : this.#names.get(path);
  }

  fileAt(path: string): SimulatedInode {
    const entry = this.find(path);
    if (entry === undefined) throw new DiskError('missing', path, `${path} does not exist`);
    if (entry === 'directory') throw new DiskError('io', path, `${path} is a directory`);
    return entry;
  }

  requireDirectory(path: string): void {
    if (this.find(path) === 'directory') return;
    throw new DiskError('missing', path, `directory ${path} does not exist`);
  }

  change(names: NameChange['names']): void {
    for (const [name, entry] of names) setName(this.#names, name, entry);
    this.#nameChanges.push({ directories: names.map(([name]) => parentOf(name)), names });
  }

  list(directory: string): readonly string[] {
    const inside = [...this.#names.keys()].filter((name) => parentOf(name) === directory);
    return inside.map((name) => name.slice(directory === '' ? 0 : directory.length + 1)).sort();
  }

  syncDirectory(directory: string): void {
    const covered = this.#nameChanges.filter(({ directories }) => directories.includes(directory));
    for (const { names } of covered)
      for (const [name, entry] of names) setName(this.#durableNames, name, entry);
    this.#nameChanges = this.#nameChanges.filter((change) => !covered.includes(change));
  }

  #loseNames(): void {
    const kept = this.#nameChanges.filter(() => this.#random.chance(0.5));
    const names = this.#durableNames;
    for (const change of kept) for (const [name, entry] of change.names) setName(names, name, entry);
    // What lay in a directory that was lost is lost with it.
    for (const name of [...names.keys()].sort()) {
      const parent = parentOf(name);
      if (parent !== '' && !names.has(parent)) names.delete(name);
    }
    this.#names = new Map(names);
    this.#nameChanges = [];
  }
}

/** The disk as one life of the process sees it: when the life ends, nothing answers any more. */
class DiskOfLife implements Disk {
  readonly #disk: SimulatedDisk;
  readonly #life: Life;

  constructor(disk: SimulatedDisk, life: Life) {
    this.#disk = disk;
    this.#life = life;
  }

  open(path: string, options: { readonly create: boolean }): Promise<DiskFile> {
    return this.#later(() => {
      this.#disk.requireDirectory(parentOf(path));
      if (options.create && this.#disk.find(path) === undefined) {
        this.#disk.change([[path, new SimulatedInode()]]);
      }
      return new FileOfLife(path, this.#disk.fileAt(path), this.#disk, this.#life);
    });
  }

  list(directory: string): Promise<readonly string[]> {
    return this.#later(() => {
      this.#disk.requireDirectory(directory);
      return this.#disk.list(directory);
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#later(() => {
      const parts = path.split('/');
      for (let depth = 1; depth <= parts.length; depth++) {
        const name = parts.slice(0, depth).join('/');
        const entry = this.#disk.find(name);
        if (entry === undefined) this.#disk.change([[name, 'directory']]);
        else if (entry !== 'directory') throw new DiskError('exists', name, `${name} is a file`);
      }
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#later(() => {
      const inode = this.#disk.fileAt(from);
      this.#disk.requireDirectory(parentOf(to));
      if (from === to) return;
      this.#disk.change([
        [from, undefined],
        [to, inode],
      ]);
    });
  }

  remove(path: string): Promise<void> {
    return this.#later(() => {
      this.#disk.fileAt(path);
      this.#disk.change([[path, undefined]]);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#later(() => {
      this.#disk.requireDirectory(path);
      if (this.#disk.fails(this.#disk.conditions.syncFailure)) {
        throw new DiskError('io', path, 'sync of a directory failed');
      }
      this.#disk.syncDirectory(path);
    }, this.#disk.conditions.syncMs);
  }

  freeBytes(): Promise<number> {
    return this.#later(() => Math.max(0, this.#disk.conditions.capacityBytes - this.#disk.usedBytes));
  }

  #later<Result>(act: () => Result, meanMs = this.#disk.conditions.writeMs): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#life.plan(this.#disk.latencyMs(meanMs), () => {
        try {
          resolve(act());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

class FileOfLife implements DiskFile {
  readonly path: string;
  readonly #inode: SimulatedInode;
  readonly #disk: SimulatedDisk;
  readonly #life: Life;
  #isOpen = true;

  constructor(path: string, inode: SimulatedInode, disk: SimulatedDisk, life: Life) {
    this.path = path;
    this.#inode = inode;
    this.#disk = disk;
    this.#life = life;
  }

  get size(): number {
    return this.#inode.size;
  }

  read(offset: number, length: number): Buffer {
    assert(this.#isOpen, `${this.path} is open`);
    if (this.#disk.fails(this.#disk.conditions.readFailure)) {
      throw new DiskError('io', this.path, `reading ${length} bytes at ${offset} failed`);
    }
    if (offset + length > this.#inode.size) {
      throw new DiskError('io', this.path, `${length} bytes at ${offset} are not there`);
    }
    return this.#inode.read(offset, length);
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    assert(this.#isOpen, `${this.path} is open`);
    return this.#write(this.#submit(offset, bytes));
  }

  /** Covers nothing but its own bytes. */
  async writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    assert(this.#isOpen, `${this.path} is open`);
    const pending = this.#submit(offset, bytes);
    await this.#write(pending);
    await this.#sync(new Set([pending]));
  }

  #submit(offset: number, bytes: Uint8Array): PendingWrite {
    this.#disk.writes += 1;
    // The caller may not touch the bytes meanwhile; the copy is for the crash, which may keep parts.
    return this.#inode.submit(offset, Buffer.from(bytes));
  }

  #write(pending: PendingWrite): Promise<void> {
    const { offset, bytes } = pending;
    return this.#settled(this.#disk.conditions.writeMs, () => {
      const { conditions } = this.#disk;
      const grows = Math.max(0, offset + bytes.length - this.#inode.size);
      const room = Math.max(0, conditions.capacityBytes - this.#disk.usedBytes);
      if (grows > room) {
        this.#inode.complete(pending, bytes.length - grows + room);
        this.#disk.record('disk-full', this.path);
        throw new DiskError('full', this.path, 'no space left');
      }
      if (this.#disk.fails(conditions.writeFailure)) {
        this.#inode.complete(pending, this.#disk.random.below(bytes.length + 1));
        this.#disk.record('write-failure', this.path);
        throw new DiskError('io', this.path, 'write failed');
      }
      this.#inode.complete(pending, bytes.length);
    });
  }

  sync(): Promise<void> {
    assert(this.#isOpen, `${this.path} is open`);
    // Writes that complete while the sync is under way may be covered or not: they are not.
    return this.#sync(this.#inode.completed());
  }

  #sync(covered: ReadonlySet<Change>): Promise<void> {
    return this.#settled(this.#disk.conditions.syncMs, () => {
      if (this.#disk.fails(this.#disk.conditions.syncFailure)) {
        this.#inode.syncFailed(covered, this.#disk.random);
        this.#disk.record('sync-failure', this.path);
        throw new DiskError('io', this.path, 'sync failed');
      }
      this.#inode.synced(covered);
    });
  }

  truncate(length: number): Promise<void> {
    assert(this.#isOpen, `${this.path} is open`);
    return this.#settled(this.#disk.conditions.writeMs, () => this.#inode.truncate(length));
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #settled(meanMs: number, act: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#life.plan(this.#disk.latencyMs(meanMs), () => {
        try {
          act();
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

function setName(names: Map<string, Entry>, name: string, entry: Entry | undefined): void {
  if (entry === undefined) names.delete(name);
  else names.set(name, entry);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
