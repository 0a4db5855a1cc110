/**
 * Where each record of the log is, in memory: 12 bytes a record, in runs of consecutive indices that lie in
 * one segment. Runs are in order of index and do not overlap; between them may be holes, of records that
 * were damaged beyond telling where they were.
 */
import type { Segment } from './segment.ts';

const fields = 3;
const runRecordsAtFirst = 64;

export interface RecordPlace {
  readonly segment: Segment;
  /** 0, where the header stands: the record is damaged. */
  readonly offset: number;
  readonly length: number;
  readonly crc: number;
}

class Run {
  readonly segment: Segment;
  readonly from: number;
  count = 0;
  #places = new Uint32Array(fields * runRecordsAtFirst);

  constructor(segment: Segment, from: number) {
    this.segment = segment;
    this.from = from;
  }

  get end(): number {
    return this.from + this.count;
  }

  push(offset: number, length: number, crc: number): void {
    const at = fields * this.count;
    if (at === this.#places.length) {
      const grown = new Uint32Array(2 * at);
      grown.set(this.#places);
      this.#places = grown;
    }
    this.#places[at] = offset;
    this.#places[at + 1] = length;
    this.#places[at + 2] = crc;
    this.count += 1;
  }

  place(index: number): RecordPlace {
    const at = fields * (index - this.from);
    return {
      segment: this.segment,
      offset: this.#places[at]!,
      length: this.#places[at + 1]!,
      crc: this.#places[at + 2]!,
    };
  }
}

export class RecordIndex {
  #runs: Run[] = [];

  /** Adds the record of an index beyond all others. */
  push(index: number, segment: Segment, offset: number, length: number, crc: number): void {
    let run = this.#runs[this.#runs.length - 1];
    if (run === undefined || run.segment !== segment || run.end !== index) {
      run = new Run(segment, index);
      this.#runs.push(run);
    }
    run.push(offset, length, crc);
  }

  truncateFrom(index: number): void {
    for (let run = this.#runs.at(-1); run !== undefined && run.end > index; run = this.#runs.at(-1)) {
      run.count = Math.max(0, index - run.from);
      if (run.count > 0) return;
      this.#runs.pop();
    }
  }

  dropBefore(index: number): void {
    let dead = 0;
    while (dead < this.#runs.length && this.#runs[dead]!.end <= index) dead += 1;
    if (dead > 0) this.#runs = this.#runs.slice(dead);
  }

  find(index: number): RecordPlace | undefined {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#runs[middle]!.end <= index) low = middle + 1;
      else high = middle;
    }
    const run = this.#runs[low];
    return run === undefined || index < run.from ? undefined : run.place(index);
  }

  /** The segments that hold a record of the log. */
  segments(): ReadonlySet<Segment> {
    return new Set(this.#runs.map((run) => run.segment));
  }
}
