/** What clients wrote and what was acknowledged of it: the memory that a node is held to after `kill -9`. */
import assert from 'node:assert/strict';

const paddingStep = 379;
const paddingBytesMax = 3000;

/** The writes of one key by one client, in order, without contexts: the last one wins. */
export class KeyHistory {
  readonly bucket: string;
  readonly key: string;
  #sent = 0;
  #acknowledged = 0;
  /** Sent deletes that may still be the last thing that happened. */
  readonly #deletes = new Set<number>();

  constructor(bucket: string, key: string) {
    this.bucket = bucket;
    this.key = key;
  }

  /** The number and value of the next put. */
  nextPut(): { readonly number: number; readonly value: Buffer } {
    this.#sent += 1;
    return { number: this.#sent, value: this.#valueOf(this.#sent) };
  }

  nextDelete(): number {
    this.#sent += 1;
    this.#deletes.add(this.#sent);
    return this.#sent;
  }

  acknowledged(number: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, number);
    for (const deleted of this.#deletes) if (deleted < this.#acknowledged) this.#deletes.delete(deleted);
  }

  /** `found` must be the last acknowledged write, or one that was sent after it. */
  check(found: Buffer | undefined): void {
    const known = `${this.bucket}/${this.key}: acknowledged ${this.#acknowledged}, sent ${this.#sent}`;
    if (found === undefined) {
      assert.ok(this.#acknowledged === 0 || this.#deletes.size > 0, `${known}, not found`);
      return;
    }
    const number = Number(/^[^|]*\|(\d+)\|/.exec(found.toString('latin1', 0, 100))?.[1]);
    assert.ok(number >= this.#acknowledged && number <= this.#sent, `${known}, found ${number}`);
    assert.ok(!this.#deletes.has(number), `${known}, found ${number}, which was a delete`);
    assert.ok(found.equals(this.#valueOf(number)), `${known}, found other bytes for ${number}`);
  }

  #valueOf(number: number): Buffer {
    const padding = (number * paddingStep) % paddingBytesMax;
    return Buffer.from(`${this.key}|${number}|${'.'.repeat(padding)}`);
  }
}

interface SiblingWrite {
  /** The writes whose values the writer had read under the context that it sent. */
  readonly seen: readonly number[];
  acknowledged: boolean;
}

/** The writes of one key by many clients, some with a context and some without: siblings. */
export class SiblingHistory {
  readonly bucket: string;
  readonly key: string;
  readonly #writes: SiblingWrite[] = [];

  constructor(bucket: string, key: string) {
    this.bucket = bucket;
    this.key = key;
  }

  nextPut(seen: readonly Buffer[]): { readonly number: number; readonly value: Buffer } {
    const number = this.#writes.push({ seen: seen.map(numberOf), acknowledged: false }) - 1;
    return { number, value: Buffer.from(`sibling ${number}`) };
  }

  acknowledged(number: number): void {
    this.#writes[number]!.acknowledged = true;
  }

  /**
   * Each acknowledged write is there, or superseded by one that is; none is there that an acknowledged one
   * has superseded.
   */
  check(found: readonly Buffer[]): void {
    const present = new Set(found.map(numberOf));
    assert.equal(present.size, found.length, `${this.key}: a sibling twice`);
    const successors = new Map<number, number[]>();
    this.#writes.forEach(({ seen, acknowledged }, number) => {
      for (const older of seen) {
        successors.set(older, [...(successors.get(older) ?? []), number]);
        const isBack = acknowledged && present.has(older);
        assert.ok(!isBack, `${this.key}: ${older} is back, though ${number} superseded it`);
      }
    });
    const isCovered = new Map<number, boolean>();
    // A write has a greater number than what it has seen.
    for (let number = this.#writes.length - 1; number >= 0; number -= 1) {
      const covered =
        present.has(number) || (successors.get(number) ?? []).some((newer) => isCovered.get(newer));
      isCovered.set(number, covered);
      const lost = this.#writes[number]!.acknowledged && !covered;
      assert.ok(!lost, `${this.key}: lost ${number}; found ${[...present].join(', ')}`);
    }
    for (const number of present) assert.ok(number < this.#writes.length, `${this.key}: ${number} unsent`);
  }
}

function numberOf(value: Buffer): number {
  return Number(/^sibling (\d+)$/.exec(value.toString('latin1'))![1]);
}
