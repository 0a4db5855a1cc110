/**
 * Whether what clients saw of registers could have happened one operation after another, each at some
 * moment between its call and its return (Herlihy and Wing, 1990).
 *
 * The search of Wing and Gong (1993) with Lowe's memory of states that were tried (2017), as in Porcupine:
 * take any operation that was called before the first pending return, see whether its result fits the
 * state, go on, step back where nothing fits. Registers are independent, so each key is searched by itself
 * (Herlihy and Wing's locality).
 *
 * An operation of unknown outcome may have happened at any time after its call, or not at all: it is taken
 * as one that never returned.
 */

/** Undefined: nothing was written yet. */
export type RegisterValue = number | undefined;

export type RegisterAction =
  | { readonly kind: 'read'; readonly value: RegisterValue }
  | { readonly kind: 'write'; readonly value: number }
  /** `isDone`: it found what it expected and wrote; undefined if that is not known. */
  | {
      readonly kind: 'compare-and-set';
      readonly expected: RegisterValue;
      readonly value: number;
      readonly isDone: boolean | undefined;
    };

export interface RegisterOperation {
  readonly client: string;
  readonly key: string;
  readonly action: RegisterAction;
  readonly calledAt: number;
  /** Undefined: nobody knows whether it happened. A read that did not return is left out. */
  readonly returnedAt: number | undefined;
}

export type LinearizabilityVerdict =
  | { readonly kind: 'linearizable' }
  /** `explained`: the longest order that was found, of `operations`, before nothing fitted any more. */
  | {
      readonly kind: 'violation';
      readonly key: string;
      readonly operations: readonly RegisterOperation[];
      readonly explained: readonly RegisterOperation[];
    }
  /** More states than `statesMax` would have to be looked at. */
  | { readonly kind: 'undecided'; readonly key: string };

const statesMaxDefault = 2_000_000;

export function checkLinearizable(
  operations: readonly RegisterOperation[],
  statesMax = statesMaxDefault,
): LinearizabilityVerdict {
  const byKey = new Map<string, RegisterOperation[]>();
  for (const operation of operations) {
    if (operation.action.kind === 'read' && operation.returnedAt === undefined) continue;
    const known = byKey.get(operation.key);
    if (known === undefined) byKey.set(operation.key, [operation]);
    else known.push(operation);
  }
  for (const [key, ofKey] of byKey) {
    const result = new Search(ofKey, statesMax).run();
    if (result === 'undecided') return { kind: 'undecided', key };
    if (result !== 'linearizable') return { kind: 'violation', key, operations: ofKey, explained: result };
  }
  return { kind: 'linearizable' };
}

/** The state after the action, or `'impossible'` if it cannot have had its result in this state. */
function after(state: RegisterValue, action: RegisterAction): RegisterValue | 'impossible' {
  switch (action.kind) {
    case 'read':
      return action.value === state ? state : 'impossible';
    case 'write':
      return action.value;
    case 'compare-and-set': {
      const isMatch = action.expected === state;
      if (action.isDone !== undefined && action.isDone !== isMatch) return 'impossible';
      return isMatch ? action.value : state;
    }
  }
}

/** A call or a return, in a doubly linked list in order of time. */
interface Moment {
  readonly operation: number;
  /** Of a call; undefined in a return. */
  matching: Moment | undefined;
  previous: Moment | undefined;
  next: Moment | undefined;
}

class Search {
  readonly #operations: readonly RegisterOperation[];
  readonly #statesMax: number;
  readonly #head: Moment = { operation: -1, matching: undefined, previous: undefined, next: undefined };
  /** One bit an operation that was taken. */
  readonly #taken: Uint32Array;
  readonly #tried = new Set<string>();
  readonly #path: { readonly call: Moment; readonly before: RegisterValue }[] = [];
  #longest: readonly number[] = [];

  constructor(operations: readonly RegisterOperation[], statesMax: number) {
    this.#operations = operations;
    this.#statesMax = statesMax;
    this.#taken = new Uint32Array(Math.ceil(operations.length / 32));
    this.#link();
  }

  run(): 'linearizable' | 'undecided' | readonly RegisterOperation[] {
    let state: RegisterValue;
    let moment = this.#head.next;
    while (this.#head.next !== undefined) {
      if (moment?.matching !== undefined) {
        const next = after(state, this.#operations[moment.operation]!.action);
        if (next === 'impossible' || !this.#isNew(moment.operation, next)) {
          moment = moment.next;
          continue;
        }
        if (this.#tried.size > this.#statesMax) return 'undecided';
        this.#path.push({ call: moment, before: state });
        state = next;
        this.#lift(moment);
        moment = this.#head.next;
        continue;
      }
      // A return whose operation was not taken: what was taken before must have been another.
      this.#rememberLongest();
      const last = this.#path.pop();
      if (last === undefined) return this.#longest.map((place) => this.#operations[place]!);
      state = last.before;
      this.#flip(last.call.operation);
      this.#unlift(last.call);
      moment = last.call.next;
    }
    return 'linearizable';
  }

  #link(): void {
    const moments = this.#operations.flatMap(({ calledAt, returnedAt }, operation) => {
      const end: Moment = { operation, matching: undefined, previous: undefined, next: undefined };
      const call: Moment = { operation, matching: end, previous: undefined, next: undefined };
      return [
        { at: calledAt, order: 0, moment: call },
        { at: returnedAt ?? Number.POSITIVE_INFINITY, order: 1, moment: end },
      ];
    });
    // At the same time means concurrent: calls first.
    moments.sort((a, b) => (a.at === b.at ? a.order - b.order : a.at - b.at));
    let last = this.#head;
    for (const { moment } of moments) {
      last.next = moment;
      moment.previous = last;
      last = moment;
    }
  }

  /** Takes the operation unless that leads to where the search has been. */
  #isNew(operation: number, state: RegisterValue): boolean {
    this.#flip(operation);
    const place = `${this.#taken.join()} ${state}`;
    if (!this.#tried.has(place)) {
      this.#tried.add(place);
      return true;
    }
    this.#flip(operation);
    return false;
  }

  #flip(operation: number): void {
    this.#taken[operation >>> 5]! ^= 1 << (operation & 31);
  }

  #lift(call: Moment): void {
    for (const moment of [call, call.matching!]) {
      moment.previous!.next = moment.next;
      if (moment.next !== undefined) moment.next.previous = moment.previous;
    }
  }

  #unlift(call: Moment): void {
    for (const moment of [call.matching!, call]) {
      moment.previous!.next = moment;
      if (moment.next !== undefined) moment.next.previous = moment;
    }
  }

  #rememberLongest(): void {
    if (this.#path.length <= this.#longest.length) return;
    this.#longest = this.#path.map(({ call }) => call.operation);
  }
}
