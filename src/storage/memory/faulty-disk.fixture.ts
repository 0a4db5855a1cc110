/** A disk in memory for the crash tests: unsynced writes tear or vanish, calls fail, bits rot, it stops. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile } from '../../environment/index.ts';

const SECTOR_BYTES = 64;

interface Inode {
  cached: Buffer;
  durable: Buffer;
}

type NameChange = (names: Map<string, Inode>) => void;

/** Numbers from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class FaultyDisk implements Disk {
  readonly fraction: () => number;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #directories = new Set<string>();
  /** Calls until the machine stops. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** Probability that a call fails. */
  failures = 0;
  full = false;
  /** The machine is off: what still runs on it is not seen by anybody. */
  isDead = false;
  calls = 0;
  openFiles = 0;
  #stop: () => void = () => {};
  stopped: Promise<void>;

  constructor(fraction: () => number) {
    this.fraction = fraction;
    this.stopped = new Promise((resolve) => {
      this.#stop = resolve;
    });
  }

  /** What is left on the platters, as a disk without faults. */
  crash(): FaultyDisk {
    const after = new FaultyDisk(this.fraction);
    const names = new Map(this.#durableNames);
    const kept = Math.floor(this.fraction() * (this.#changes.length + 1));
    for (const change of this.#changes.slice(0, kept)) change(names);
    for (const [path, inode] of names) {
      const survived = this.#torn(inode);
      after.#names.set(path, { cached: survived, durable: Buffer.from(survived) });
    }
    after.#durableNames = new Map(after.#names);
    after.#directories = this.#directories;
    return after;
  }

  flipBit(path: string, offset: number): void {
    const inode = this.#names.get(path)!;
    inode.cached[offset]! ^= 1 << Math.floor(this.fraction() * 8);
    inode.durable = Buffer.from(inode.cached);
  }

  bytesOf(path: string): Buffer {
    return this.#names.get(path)!.cached;
  }

  async open(path: string, options: { readonly create: boolean }): Promise<DiskFile> {
    await this.#call(path, options.create);
    let inode = this.#names.get(path);
    if (inode === undefined) {
      if (!options.create) throw new DiskError('missing', path, 'missing');
      const made: Inode = { cached: Buffer.alloc(0), durable: Buffer.alloc(0) };
      this.#change((names) => void names.set(path, made));
      inode = made;
    }
    return this.#file(path, inode);
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#call(directory, false);
    const prefix = `${directory}/`;
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#call(path, true);
    this.#directories.add(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call(from, true);
    this.#change((names) => {
      const inode = names.get(from);
      if (inode === undefined) return;
      names.delete(from);
      names.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#call(path, false);
    if (!this.#names.has(path)) throw new DiskError('missing', path, 'missing');
    this.#change((names) => void names.delete(path));
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#call(path, true);
    this.#durableNames = new Map(this.#names);
    this.#changes = [];
  }

  async freeBytes(): Promise<number> {
    return this.full ? 0 : 1e9;
  }

  #file(path: string, inode: Inode): DiskFile {
    let isClosed = false;
    this.openFiles += 1;
    return {
      path,
      get size() {
        return inode.cached.length;
      },
      read: (offset, length) => {
        assert.ok(!isClosed, `${path} is open`);
        if (offset + length > inode.cached.length) throw new DiskError('io', path, 'beyond the end');
        return Buffer.from(inode.cached.subarray(offset, offset + length));
      },
      write: (offset, bytes) => this.#write(path, inode, offset, bytes),
      writeSynced: async (offset, bytes) => {
        await this.#write(path, inode, offset, bytes);
        await this.#call(path, true, () => {
          if (this.fraction() < 0.5) writeAt(inode, 'durable', offset, bytes, this.fraction());
        });
        writeAt(inode, 'durable', offset, bytes, 1);
      },
      sync: async () => {
        // A failed sync writes something and forgets the rest: it stays in the cache and is never written.
        await this.#call(path, true, () => {
          inode.durable = this.#torn(inode);
        });
        inode.durable = Buffer.from(inode.cached);
      },
      truncate: async (length) => {
        await this.#call(path, true);
        inode.cached = Buffer.from(inode.cached.subarray(0, length));
      },
      close: async () => {
        if (!isClosed) this.openFiles -= 1;
        isClosed = true;
      },
    };
  }

  async #write(path: string, inode: Inode, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#call(path, true, () => writeAt(inode, 'cached', offset, bytes, this.fraction()));
    writeAt(inode, 'cached', offset, bytes, 1);
  }

  /** Each sector as it was or as it should be. */
  #torn(inode: Inode): Buffer {
    const { cached, durable } = inode;
    const whole = this.fraction();
    if (whole < 0.2) return Buffer.from(cached);
    const torn = Buffer.alloc(
      whole < 0.6 ? cached.length : Math.max(durable.length, Math.floor(whole * cached.length)),
    );
    durable.copy(torn);
    for (let at = 0; at < torn.length; at += SECTOR_BYTES) {
      if (this.fraction() < 0.5 && at < cached.length) cached.copy(torn, at, at, at + SECTOR_BYTES);
    }
    return torn;
  }

  #change(change: NameChange): void {
    change(this.#names);
    this.#changes.push(change);
  }

  async #call(path: string, takesSpace: boolean, onFailure?: () => void): Promise<void> {
    this.calls += 1;
    this.callsLeft -= 1;
    if (this.callsLeft < 0) {
      if (this.fraction() < 0.5) onFailure?.();
      this.#stop();
      await new Promise(() => {});
    }
    await Promise.resolve();
    if (takesSpace && this.full) {
      onFailure?.();
      throw new DiskError('full', path, 'no space');
    }
    if (this.fraction() < this.failures) {
      onFailure?.();
      throw new DiskError('io', path, 'input/output error');
    }
  }
}

function writeAt(inode: Inode, image: keyof Inode, offset: number, bytes: Uint8Array, share: number): void {
  const length = Math.floor(share * bytes.length);
  const grown = Buffer.alloc(Math.max(inode[image].length, offset + length));
  inode[image].copy(grown);
  grown.set(bytes.subarray(0, length), offset);
  inode[image] = grown;
}
