/** A disk that is gone with its process: for nodes that were given no data directory. */
import { Buffer } from 'node:buffer';
import { type Disk, DiskError, type DiskFile } from '../environment/index.ts';

const bytesFree = Number.MAX_SAFE_INTEGER;
const roomMin = 4096;

class Inode {
  bytes = Buffer.alloc(0);
  size = 0;

  /** Grows by doubling, so that appending costs what is appended. */
  resize(size: number): void {
    if (size > this.bytes.length) {
      const room = Buffer.alloc(Math.max(roomMin, size, 2 * this.bytes.length));
      this.bytes.copy(room, 0, 0, this.size);
      this.bytes = room;
    } else if (size < this.size) this.bytes.fill(0, size, this.size);
    this.size = size;
  }
}

class MemoryFile implements DiskFile {
  readonly path: string;
  readonly #inode: Inode;

  constructor(path: string, inode: Inode) {
    this.path = path;
    this.#inode = inode;
  }

  get size(): number {
    return this.#inode.size;
  }

  read(offset: number, length: number): Buffer {
    if (offset + length > this.#inode.size) throw new DiskError('io', this.path, 'read behind the end');
    return Buffer.from(this.#inode.bytes.subarray(offset, offset + length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#inode.resize(Math.max(this.#inode.size, offset + bytes.length));
    this.#inode.bytes.set(bytes, offset);
  }

  writeSynced(offset: number, bytes: Uint8Array): Promise<void> {
    return this.write(offset, bytes);
  }

  async sync(): Promise<void> {}

  async truncate(length: number): Promise<void> {
    this.#inode.resize(length);
  }

  async close(): Promise<void> {}
}

export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Inode>();
  readonly #directories = new Set<string>(['']);

  async open(path: string, { create }: { readonly create: boolean }): Promise<DiskFile> {
    let inode = this.#files.get(path);
    if (inode === undefined) {
      if (!create || !this.#directories.has(parentOf(path))) throw missing(path);
      inode = new Inode();
      this.#files.set(path, inode);
    }
    return new MemoryFile(path, inode);
  }

  async list(directory: string): Promise<readonly string[]> {
    if (!this.#directories.has(directory)) throw missing(directory);
    return [...this.#files.keys(), ...this.#directories]
      .filter((path) => path !== '' && parentOf(path) === directory)
      .map((path) => path.slice(directory === '' ? 0 : directory.length + 1))
      .sort();
  }

  async makeDirectory(path: string): Promise<void> {
    const steps = path.split('/');
    for (let depth = 1; depth <= steps.length; depth += 1) {
      this.#directories.add(steps.slice(0, depth).join('/'));
    }
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#files.get(from);
    if (inode === undefined) throw missing(from);
    this.#files.delete(from);
    this.#files.set(to, inode);
  }

  async remove(path: string): Promise<void> {
    if (!this.#files.delete(path) && !this.#directories.delete(path)) throw missing(path);
  }

  async syncDirectory(path: string): Promise<void> {
    if (!this.#directories.has(path)) throw missing(path);
  }

  async freeBytes(): Promise<number> {
    return bytesFree;
  }
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

function missing(path: string): DiskError {
  return new DiskError('missing', path, `${path} does not exist`);
}
