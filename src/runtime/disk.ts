/**
 * Files over `node:fs`. Reads are synchronous and positional: a page that the kernel has cached
 * costs 0.6 µs, a callback eight times that.
 */
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as fsPromises from 'node:fs/promises';
import * as path from 'node:path';
import { type Disk, DiskError, type DiskFile } from '../environment/index.ts';
import { assert } from '../stdx/index.ts';

const codes = new Map<string, DiskError['code']>([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['ENOENT', 'missing'],
  ['EEXIST', 'exists'],
]);

/** The one translation of Node's file errors. */
export function diskErrorOf(error: unknown, name: string): DiskError {
  if (error instanceof DiskError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return new DiskError(codes.get(code) ?? 'io', name, message);
}

/**
 * Elsewhere the flag is missing, or does not reach the platter. One call in place of two halves the way to the disk's
 * thread and back, which is most of what a small durable write costs.
 */
const syncedWriteFlag = process.platform === 'linux' ? fs.constants.O_DSYNC : 0;

class MachineFile implements DiskFile {
  readonly path: string;
  readonly #at: string;
  readonly #fd: number;
  /** Of the same file, for synced writes; opened by the first. */
  #syncedFd: number | undefined;
  #size: number;
  /** The descriptor's number is given to the next file after close: nothing may still use it then. */
  #underWay = 0;
  #isClosing = false;
  #idle: (() => void) | undefined;

  constructor(name: string, at: string, fd: number, size: number) {
    this.path = name;
    this.#at = at;
    this.#fd = fd;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  read(offset: number, length: number): Buffer {
    this.#assertOpen();
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = this.#readSome(bytes, done, offset);
      if (count === 0) {
        const text = `${length} bytes at ${offset} were asked for, ${done} are there`;
        throw new DiskError('io', this.path, text);
      }
      done += count;
    }
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#run((done) => this.#writeAll(this.#fd, offset, bytes, done));
  }

  writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#run((done) => {
      if (syncedWriteFlag === 0) {
        this.#writeAll(this.#fd, offset, bytes, (error) =>
          error ? done(error) : fs.fdatasync(this.#fd, done),
        );
        return;
      }
      if (this.#syncedFd !== undefined) {
        this.#writeAll(this.#syncedFd, offset, bytes, done);
        return;
      }
      fs.open(this.#at, fs.constants.O_RDWR | syncedWriteFlag, (error, fd) => {
        if (error) return done(error);
        if (this.#syncedFd === undefined) this.#syncedFd = fd;
        else fs.closeSync(fd); // another write was as early
        this.#writeAll(this.#syncedFd, offset, bytes, done);
      });
    });
  }

  sync(): Promise<void> {
    return this.#run((done) => fs.fdatasync(this.#fd, done));
  }

  truncate(length: number): Promise<void> {
    return this.#run((done) => {
      fs.ftruncate(this.#fd, length, (error) => {
        if (!error) this.#size = length;
        done(error);
      });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    if (this.#syncedFd !== undefined) await this.#closeOne(this.#syncedFd);
    await this.#closeOne(this.#fd);
  }

  #closeOne(fd: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.close(fd, (error) => (error ? reject(diskErrorOf(error, this.path)) : resolve()));
    });
  }

  #writeAll(fd: number, offset: number, bytes: Uint8Array, done: (error: Error | null) => void): void {
    const writeFrom = (from: number): void => {
      fs.write(fd, bytes, from, bytes.length - from, offset + from, (error, count) => {
        if (error) return done(error);
        this.#size = Math.max(this.#size, offset + from + count);
        if (from + count < bytes.length) return writeFrom(from + count);
        done(null);
      });
    };
    writeFrom(0);
  }

  #readSome(bytes: Buffer, done: number, offset: number): number {
    try {
      return fs.readSync(this.#fd, bytes, done, bytes.length - done, offset + done);
    } catch (error) {
      throw diskErrorOf(error, this.path);
    }
  }

  #run(start: (done: (error: Error | null) => void) => void): Promise<void> {
    this.#assertOpen();
    this.#underWay += 1;
    return new Promise((resolve, reject) => {
      start((error) => {
        this.#underWay -= 1;
        if (error) reject(diskErrorOf(error, this.path));
        else resolve();
        if (this.#underWay === 0) this.#idle?.();
      });
    });
  }

  #assertOpen(): void {
    assert(!this.#isClosing, `${this.path} is open`);
  }
}

export class MachineDisk implements Disk {
  readonly #root: string;

  constructor(dataDirectory: string) {
    this.#root = path.resolve(dataDirectory);
  }

  async open(name: string, options: { readonly create: boolean }): Promise<DiskFile> {
    return this.#translated(name, async (at) => {
      const flags = fs.constants.O_RDWR | (options.create ? fs.constants.O_CREAT : 0);
      const fd = await new Promise<number>((resolve, reject) => {
        fs.open(at, flags, 0o600, (error, opened) => (error ? reject(error) : resolve(opened)));
      });
      return new MachineFile(name, at, fd, fs.fstatSync(fd).size);
    });
  }

  async list(directory: string): Promise<readonly string[]> {
    return this.#translated(directory, async (at) => (await fsPromises.readdir(at)).sort());
  }

  async makeDirectory(name: string): Promise<void> {
    await this.#translated(name, (at) => fsPromises.mkdir(at, { recursive: true, mode: 0o700 }));
  }

  async rename(from: string, to: string): Promise<void> {
    const target = this.#resolve(to);
    await this.#translated(from, (at) => fsPromises.rename(at, target));
  }

  async remove(name: string): Promise<void> {
    await this.#translated(name, (at) => fsPromises.unlink(at));
  }

  async syncDirectory(name: string): Promise<void> {
    // Windows neither lets a directory be opened nor needs it synced.
    if (process.platform === 'win32') return;
    await this.#translated(name, async (at) => {
      const directory = await fsPromises.open(at, 'r');
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    });
  }

  async freeBytes(): Promise<number> {
    return this.#translated('', async (at) => {
      const { bavail, bsize } = await fsPromises.statfs(at);
      return bavail * bsize;
    });
  }

  #resolve(name: string): string {
    const at = path.resolve(this.#root, name);
    assert(at === this.#root || at.startsWith(this.#root + path.sep), `${name} is in the data directory`);
    return at;
  }

  async #translated<Result>(name: string, run: (at: string) => Promise<Result>): Promise<Result> {
    const at = this.#resolve(name);
    try {
      return await run(at);
    } catch (error) {
      throw diskErrorOf(error, name);
    }
  }
}
