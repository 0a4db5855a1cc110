/**
 * Sorted runs that arrive in pieces, as one sorted run.
 *
 * Each run says with every piece how far it has got: nothing that it brings later stands at or before its *mark*. So
 * whatever stands at or before the least mark of all runs that go on may be taken, and stays in order. A run may end, and
 * others may go on from its mark in its place; what it had brought is kept. Equal items are taken once.
 *
 * Order is that of JavaScript strings, which for byte strings is bytewise. Pure: it is told, and asked.
 */
import { assert } from '../../stdx/index.ts';

/** Before every item: no item is empty. */
const beginning = '';

interface Run<Item extends string> {
  items: Item[];
  /** Of `items`, the first that has not moved on. */
  at: number;
  mark: string;
  isEnded: boolean;
}

export class OrderedMerge<Item extends string> {
  readonly #runs = new Map<number, Run<Item>>();
  #runsBegun = 0;
  /** In order, and before all that may still come. */
  #ready: Item[] = [];
  #readyAt = 0;
  #last: Item | undefined;
  #place: string = beginning;

  /** Returns the run's name. Nothing that it brings may stand at or before `after`. */
  begin(after: string = beginning): number {
    assert(after >= this.#place, 'a run begins where all has not been taken yet');
    this.#runsBegun += 1;
    this.#runs.set(this.#runsBegun, { items: [], at: 0, mark: after, isEnded: false });
    return this.#runsBegun;
  }

  /** The next items of a run, in order, each beyond its mark, none beyond the new one. */
  add(name: number, items: readonly Item[], mark: string): void {
    const run = this.#of(name);
    assert(!run.isEnded && mark >= run.mark, 'a run moves on');
    for (const item of items) run.items.push(item);
    run.mark = mark;
  }

  end(name: number): void {
    this.#of(name).isEnded = true;
  }

  markOf(name: number): string {
    return this.#of(name).mark;
  }

  /** Items of a run that wait for others. */
  buffered(name: number): number {
    const run = this.#runs.get(name);
    return run === undefined ? 0 : run.items.length - run.at;
  }

  /** No run goes on, and all is taken. */
  get isEnded(): boolean {
    this.#settle();
    return this.#runs.size === 0 && this.#readyAt === this.#ready.length;
  }

  /** Everything up to here, and nothing else, has been taken. */
  get place(): string {
    return this.#place;
  }

  /** The next items, at most so many; none if some run has to bring more first. */
  take(countMax: number): Item[] {
    this.#settle();
    const taken = this.#ready.slice(this.#readyAt, this.#readyAt + countMax);
    this.#readyAt += taken.length;
    if (this.#readyAt === this.#ready.length) {
      this.#ready = [];
      this.#readyAt = 0;
      const least = this.#leastMark();
      if (least !== undefined) this.#place = least;
      else if (taken.length > 0) this.#place = taken.at(-1)!;
    } else if (taken.length > 0) this.#place = taken.at(-1)!;
    return taken;
  }

  #of(name: number): Run<Item> {
    const run = this.#runs.get(name);
    assert(run !== undefined, 'the run has been begun, and has more to bring');
    return run;
  }

  /** Undefined: no run goes on. */
  #leastMark(): string | undefined {
    let least: string | undefined;
    for (const run of this.#runs.values()) {
      if (!run.isEnded && (least === undefined || run.mark < least)) least = run.mark;
    }
    return least;
  }

  /** Moves what nothing can precede any more. It stands behind all that was moved before. */
  #settle(): void {
    const least = this.#leastMark();
    const found: Item[] = [];
    let runs = 0;
    for (const [name, run] of this.#runs) {
      const before = found.length;
      while (run.at < run.items.length && (least === undefined || run.items[run.at]! <= least)) {
        found.push(run.items[run.at]!);
        run.at += 1;
      }
      if (found.length > before) runs += 1;
      if (run.at < run.items.length) continue;
      run.items = [];
      run.at = 0;
      if (run.isEnded) this.#runs.delete(name);
    }
    if (runs > 1) found.sort();
    for (const item of found) {
      if (item === this.#last) continue;
      this.#ready.push(item);
      this.#last = item;
    }
  }
}
