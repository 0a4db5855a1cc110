/**
 * Gets of one connection that overlap: while one waits for other nodes those behind it are asked too, so that pipelined
 * gets share messages. Replies leave in the order of the requests. A get that this node answers by itself is over
 * before the next one begins.
 *
 * Entries are used again and again: a get allocates nothing here. Gets that are refused meanwhile are a number beside
 * the one before them, as with puts.
 */
import type { GetResult } from '../../kv/index.ts';

/** What is read for replies that have to wait for their turn is in memory meanwhile. */
const getsMax = 16;
/** Refusals that wait for gets before them. */
const refusedMax = 8192;

/** A string is the text of a refusal by the API itself. */
export type GetOutcome = GetResult | string;

export class GetInFlight {
  wantsHead = false;
  wantsTombstone = false;
  outcome: GetOutcome | undefined;
  /** Gets right behind this one that were refused as `overload`. */
  refusedBehind = 0;
  readonly done: (outcome: GetOutcome) => void;

  constructor(answered: (get: GetInFlight) => void) {
    this.done = (outcome) => {
      this.outcome = outcome;
      answered(this);
    };
  }
}

export class GetsInFlight {
  /** A ring: those in flight begin at `#oldest`. */
  readonly #entries: GetInFlight[] = [];
  readonly #answered: (get: GetInFlight) => void;
  #oldest = 0;
  #count = 0;
  #refused = 0;

  /** `answered` is told of each outcome, in any order. */
  constructor(answered: (get: GetInFlight) => void) {
    this.#answered = answered;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isFull(): boolean {
    return this.#count >= getsMax || this.#refused >= refusedMax;
  }

  begin(wantsHead: boolean, wantsTombstone: boolean): GetInFlight {
    // With nothing in flight the first entry will do: who never overlaps has one.
    if (this.#count === 0) this.#oldest = 0;
    const at = (this.#oldest + this.#count) % getsMax;
    this.#entries[at] ??= new GetInFlight(this.#answered);
    const get = this.#entries[at];
    get.wantsHead = wantsHead;
    get.wantsTombstone = wantsTombstone;
    get.outcome = undefined;
    get.refusedBehind = 0;
    this.#count += 1;
    return get;
  }

  /** One more is refused; false: none is in flight, so it can be told at once. */
  refuse(): boolean {
    if (this.#count === 0) return false;
    const newest = this.#entries[(this.#oldest + this.#count - 1) % getsMax]!;
    newest.refusedBehind += 1;
    this.#refused += 1;
    return true;
  }

  /** Takes out the oldest, if its outcome is known; valid until the next begins. */
  takeAnswered(): GetInFlight | undefined {
    if (this.#count === 0) return undefined;
    const oldest = this.#entries[this.#oldest]!;
    if (oldest.outcome === undefined) return undefined;
    this.#oldest = (this.#oldest + 1) % getsMax;
    this.#count -= 1;
    this.#refused -= oldest.refusedBehind;
    return oldest;
  }
}
