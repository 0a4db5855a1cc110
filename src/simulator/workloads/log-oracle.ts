/**
 * What a write-ahead log may hold, as arrays: told of every change and of every end that was reported, it
 * knows the states that a crash may leave.
 *
 * Those are: the durable state; it with any first part of the changes under way; and it with any first part
 * of a run of changes that failed, as long as none has succeeded since.
 */
import type { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';

export type LogChange =
  | { readonly kind: 'append'; readonly records: readonly Buffer[] }
  | { readonly kind: 'truncate' | 'drop'; readonly index: number };

/** A record that rotted stays so. */
export type OracleRecord = Buffer | 'damaged';

export interface LogContents {
  readonly first: number;
  readonly records: readonly OracleRecord[];
}

export class LogOracle {
  #durable: LogContents = { first: 1, records: [] };
  #underWay: LogChange[] = [];
  #failed: LogChange[][] = [];

  get durable(): LogContents {
    return this.#durable;
  }

  began(change: LogChange): void {
    this.#underWay.push(change);
  }

  succeeded(change: LogChange): void {
    assert(this.#underWay.shift() === change, 'W3: changes end in the order in which they began');
    this.#durable = changed(this.#durable, change);
    this.#failed = [];
  }

  /** The run of changes under way that end with the same failure. */
  failed(changes: readonly LogChange[]): void {
    for (const change of changes) {
      assert(this.#underWay.shift() === change, 'W3: what failed takes all that was queued behind it along');
    }
    this.#failed.push([...changes]);
  }

  /** Finds what a new life shows among what may be left, and goes on from there. */
  reopened(found: LogContents): 'durable' | 'more' {
    const wasDurable = this.#durable;
    const runs = [this.#underWay, ...this.#failed];
    this.#underWay = [];
    this.#failed = [];
    for (const run of runs) {
      let state = wasDurable;
      for (let taken = 0; taken <= run.length; taken++) {
        if (taken > 0) state = changed(state, run[taken - 1]!);
        if (!isSame(state, found)) continue;
        this.#durable = found;
        return taken === 0 ? 'durable' : 'more';
      }
    }
    throw new Error(`W1, W2: the log holds ${summary(found)}, but ${summary(wasDurable)} was durable`);
  }

  /** Bits rotted while nothing was under way: each record is as it was, or said to be damaged. */
  rotted(found: LogContents): number {
    const { first, records } = this.#durable;
    const isWhole = found.first === first && found.records.length === records.length;
    assert(isWhole, `W7: rot moved the log from ${summary(this.#durable)} to ${summary(found)}`);
    let damaged = 0;
    for (const [i, record] of found.records.entries()) {
      if (record === 'damaged') damaged += 1;
      else assert(isSameRecord(record, records[i]!), `W7: record ${first + i} is what was written`);
    }
    this.#durable = found;
    return damaged;
  }
}

function changed({ first, records }: LogContents, change: LogChange): LogContents {
  switch (change.kind) {
    case 'append':
      return { first, records: [...records, ...change.records] };
    case 'truncate':
      return { first, records: records.slice(0, change.index - first) };
    case 'drop': {
      const to = Math.max(first, change.index);
      return { first: to, records: records.slice(to - first) };
    }
  }
}

function isSame(a: LogContents, b: LogContents): boolean {
  if (a.first !== b.first || a.records.length !== b.records.length) return false;
  return a.records.every((record, i) => isSameRecord(record, b.records[i]!));
}

function isSameRecord(a: OracleRecord, b: OracleRecord): boolean {
  return a === 'damaged' || b === 'damaged' ? a === b : a.equals(b);
}

function summary({ first, records }: LogContents): string {
  const numbers = records.map((record) => (record === 'damaged' ? 'damaged' : record.readUInt32LE(0)));
  return `${first} to ${first + records.length - 1} (${numbers.slice(-12).join(' ')})`;
}
