/**
 * When the first object of each partition expires, as far as this node knows: never later than it does. What is not known
 * passes for the beginning of time, until somebody has looked.
 *
 * That an object which expires has ever been stored here is a fact of the node on disk: where it has not, nothing is
 * looked for.
 */
import { Buffer } from 'node:buffer';
import type { Partition } from '../../core/ring/index.ts';
import type { StorageEngine, WriteBatch } from '../../storage/index.ts';
import { expiryOfObject, type VersionedObject } from '../object/index.ts';
import { nodeFactKey } from './key-layout.ts';
import { stateOfFact } from './node-fact.ts';

const fact = nodeFactKey('expiring');
const never = Number.POSITIVE_INFINITY;
const unknown = 0;

export class ExpiryTimes {
  /** Whether the fact is on disk, or in a batch before any that needs it. */
  #isRecorded: boolean;
  #isUsed: boolean;
  #used: () => void = () => {};
  readonly #earliest: number[] = [];
  /** Of what was stored since a look began. */
  readonly #sinceLook: number[] = [];

  /** Throws `StorageError`. */
  constructor(engine: StorageEngine) {
    const state = stateOfFact(engine, fact);
    this.#isRecorded = state === 'there';
    this.#isUsed = state !== 'missing';
    engine.onDoubt?.(() => this.#doubt());
  }

  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Calls `used` when an object that expires is stored for the first time. */
  onUsed(used: () => void): void {
    this.#used = used;
  }

  /** Of an object that `mayExpire`: to be called for the batch that stores it. */
  stored(batch: WriteBatch, partition: Partition, object: VersionedObject): void {
    if (!this.#isRecorded) batch.put(fact, Buffer.alloc(0));
    this.#isRecorded = true;
    const expiry = expiryOfObject(object) ?? never;
    if (!this.#isUsed) this.#begin();
    this.#earliest[partition] = Math.min(this.#of(partition), expiry);
    this.#sinceLook[partition] = Math.min(this.#sinceLook[partition] ?? never, expiry);
  }

  /** What it held may not be on disk. */
  writeFailed(): void {
    this.#isRecorded = false;
  }

  /** Whether anything of the partition may have expired by then, and still be stored. */
  hasExpired(partition: Partition, nowMicros: number): boolean {
    return this.#of(partition) <= nowMicros;
  }

  beginLook(partition: Partition): void {
    this.#sinceLook[partition] = never;
  }

  /** `found`: the earliest of what the engine held since the look began; undefined: nothing. */
  endLook(partition: Partition, found: number | undefined): void {
    this.#earliest[partition] = Math.min(found ?? never, this.#sinceLook[partition] ?? never);
  }

  /** Objects may be back that had been removed, with times that are over. */
  #doubt(): void {
    this.#isRecorded = false;
    this.#earliest.length = 0;
    // A look that is under way has not seen all of it.
    this.#sinceLook.fill(unknown);
  }

  #of(partition: Partition): number {
    return this.#earliest[partition] ?? (this.#isUsed ? unknown : never);
  }

  /** The first of all: nothing that was stored before expires. */
  #begin(): void {
    this.#isUsed = true;
    this.#earliest.length = 0;
    this.#used();
  }
}
