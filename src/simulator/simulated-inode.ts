/** A file's bytes: what processes see, what the platter holds, and the writes between the two. */
import { Buffer } from 'node:buffer';
import type { Prng } from './prng.ts';

const sectorBytes = 512;
const pendingMax = 1024;

export type Change =
  | { readonly kind: 'write'; readonly offset: number; bytes: Buffer; isComplete: boolean }
  | { readonly kind: 'truncate'; readonly length: number; readonly isComplete: true };

export type PendingWrite = Extract<Change, { kind: 'write' }>;

class Image {
  #bytes: Buffer = Buffer.alloc(0);
  size = 0;

  read(offset: number, length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(offset, offset + length));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#reach(offset + bytes.length);
    this.#bytes.set(bytes, offset);
  }

  truncate(length: number): void {
    this.#reach(length);
    this.#bytes.fill(0, length, this.size);
    this.size = length;
  }

  flip(offset: number, bit: number): void {
    if (offset < this.size) this.#bytes[offset] = this.#bytes[offset]! ^ (1 << bit);
  }

  become(other: Image): void {
    this.#bytes = other.read(0, other.size);
    this.size = other.size;
  }

  #reach(size: number): void {
    if (size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(size, 2 * this.#bytes.length, sectorBytes));
      this.#bytes.copy(grown);
      this.#bytes = grown;
    }
    this.size = Math.max(this.size, size);
  }
}

export class SimulatedInode {
  /** What reads see: the page cache. */
  readonly #seen = new Image();
  /** What a power cut leaves. */
  readonly #platter = new Image();
  /** In the order in which they were submitted; a truncate, when it was done. */
  #pending: Change[] = [];

  get size(): number {
    return this.#seen.size;
  }

  get syncedSize(): number {
    return this.#platter.size;
  }

  read(offset: number, length: number): Buffer {
    return this.#seen.read(offset, length);
  }

  /** From here on a crash may find any sectors of it written. */
  submit(offset: number, bytes: Buffer): PendingWrite {
    const write: PendingWrite = { kind: 'write', offset, bytes, isComplete: false };
    this.#pending.push(write);
    return write;
  }

  /** The first `length` bytes became visible; the rest never will. */
  complete(write: PendingWrite, length: number): void {
    write.bytes = write.bytes.subarray(0, length);
    write.isComplete = true;
    // Behind what completed before it, for a sync applies changes in the order they became visible.
    this.#pending.splice(this.#pending.lastIndexOf(write), 1);
    this.#pending.push(write);
    this.#seen.write(write.offset, write.bytes);
    if (this.#pending.length > pendingMax) this.#writeBack();
  }

  truncate(length: number): void {
    this.#seen.truncate(length);
    this.#pending.push({ kind: 'truncate', length, isComplete: true });
  }

  completed(): ReadonlySet<Change> {
    return new Set(this.#pending.filter((change) => change.isComplete));
  }

  synced(covered: ReadonlySet<Change>): void {
    for (const change of this.#pending) if (covered.has(change)) this.#apply(change);
    this.#forget(covered);
  }

  syncFailed(covered: ReadonlySet<Change>, random: Prng): void {
    for (const change of this.#pending) {
      if (covered.has(change) && random.chance(0.5)) this.#apply(change);
    }
    this.#forget(covered);
  }

  lifeEnded(isPowerCut: boolean, random: Prng): void {
    if (isPowerCut) {
      // Often all or nothing got through; the cases between are the ones that hurt.
      const keeping = random.pick([0, 0, 0.2, 0.5, 0.9, 1]);
      for (const change of this.#pending) this.#applySome(change, keeping, random);
      this.#pending = [];
      this.#seen.become(this.#platter);
      return;
    }
    for (const change of this.#pending) {
      if (!change.isComplete) this.complete(change, random.below(change.bytes.length + 1));
    }
  }

  rot(random: Prng): number {
    const offset = random.below(this.#platter.size);
    const bit = random.below(8);
    this.#platter.flip(offset, bit);
    this.#seen.flip(offset, bit);
    return offset;
  }

  /** As kernels do without being asked: what has waited longest goes to the platter. */
  #writeBack(): void {
    const oldest = this.#pending.slice(0, pendingMax / 2);
    this.synced(new Set(oldest.filter((change) => change.isComplete)));
  }

  #apply(change: Change): void {
    if (change.kind === 'write') this.#platter.write(change.offset, change.bytes);
    else this.#platter.truncate(change.length);
  }

  #applySome(change: Change, keeping: number, random: Prng): void {
    if (change.kind === 'truncate') {
      if (random.chance(keeping)) this.#platter.truncate(change.length);
      return;
    }
    let start = 0;
    while (start < change.bytes.length) {
      const toSectorEnd = sectorBytes - ((change.offset + start) % sectorBytes);
      const end = Math.min(change.bytes.length, start + toSectorEnd);
      if (random.chance(keeping))
        this.#platter.write(change.offset + start, change.bytes.subarray(start, end));
      start = end;
    }
  }

  #forget(covered: ReadonlySet<Change>): void {
    this.#pending = this.#pending.filter((change) => !covered.has(change));
  }
}
