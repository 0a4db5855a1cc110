/**
 * Deadlines for many requests at the cost of one timer.
 *
 * Almost no request meets its deadline, so setting and clearing must cost next to nothing: an entry is
 * linked into the slot of the tick in which it expires (a hashed timing wheel; Varghese and Lauck,
 * 1987, scheme 6) and unlinked in constant time. Expiry is late by up to one tick, never early.
 *
 * The timer sleeps until the first tick that has an entry: a node that waits for little wakes seldom. Clearing leaves it
 * alone, so it may wake for nothing, and then looks for the next.
 */
import type { Clock, Instant, Timer, Timers } from '../../environment/index.ts';

/** How late an expiry may be, and how often a busy node looks at most. */
export const deadlineTickMs = 10;
const slotCount = 512;
const wakeMsMin = 1;

/** Extend this to get a deadline; `expired` is called at most once, and not after `Deadlines.clear`. */
export abstract class Deadline {
  /** Links of the slot's list; owned by `Deadlines`. */
  previous: Deadline | undefined;
  next: Deadline | undefined;
  dueTick = -1;

  abstract expired(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #slots: (Deadline | undefined)[] = new Array(slotCount).fill(undefined);
  readonly #start: Instant;
  #swept = 0;
  #pending = 0;
  #timer: Timer | undefined;
  #wakesAtTick = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(clock: Clock, timers: Timers) {
    this.#clock = clock;
    this.#timers = timers;
    this.#start = clock.now();
  }

  get pending(): number {
    return this.#pending;
  }

  set(deadline: Deadline, delayMs: number): void {
    if (this.#isClosed) return;
    const nowTick = this.#tick();
    if (this.#pending === 0) this.#swept = nowTick;
    deadline.dueTick = nowTick + Math.ceil(delayMs / deadlineTickMs) + 1;
    const slot = deadline.dueTick % slotCount;
    const head = this.#slots[slot];
    deadline.next = head;
    deadline.previous = undefined;
    if (head !== undefined) head.previous = deadline;
    this.#slots[slot] = deadline;
    this.#pending += 1;
    if (deadline.dueTick < this.#wakesAtTick) this.#wakeAt(deadline.dueTick);
  }

  clear(deadline: Deadline): void {
    if (deadline.dueTick < 0) return;
    const slot = deadline.dueTick % slotCount;
    if (deadline.previous === undefined) this.#slots[slot] = deadline.next;
    else deadline.previous.next = deadline.next;
    if (deadline.next !== undefined) deadline.next.previous = deadline.previous;
    deadline.previous = undefined;
    deadline.next = undefined;
    deadline.dueTick = -1;
    this.#pending -= 1;
  }

  /** Milliseconds, rounded up to a tick; undefined if it is not set, or has expired. */
  remainingMs(deadline: Deadline): number | undefined {
    if (deadline.dueTick < 0) return undefined;
    return Math.max(0, (deadline.dueTick - 1 - this.#tick()) * deadlineTickMs);
  }

  #tick(): number {
    return Math.floor((this.#clock.now() - this.#start) / deadlineTickMs);
  }

  #wakeAt(tick: number): void {
    this.#timer?.cancel();
    this.#wakesAtTick = tick;
    const inMs = this.#start + tick * deadlineTickMs - this.#clock.now();
    // Rounding may put the beginning of a tick just before it.
    this.#timer = this.#timers.after(Math.max(wakeMsMin, inMs), () => this.#sweep());
  }

  #sweep(): void {
    this.#timer = undefined;
    this.#wakesAtTick = Number.POSITIVE_INFINITY;
    const nowTick = this.#tick();
    const due: Deadline[] = [];
    const from = Math.max(this.#swept + 1, nowTick - slotCount + 1);
    for (let tick = from; tick <= nowTick; tick += 1) {
      for (let deadline = this.#slots[tick % slotCount]; deadline !== undefined; deadline = deadline.next) {
        if (deadline.dueTick <= nowTick) due.push(deadline);
      }
    }
    for (const deadline of due) {
      // An earlier expiry may have cleared this one.
      if (deadline.dueTick < 0 || deadline.dueTick > nowTick) continue;
      this.clear(deadline);
      deadline.expired();
    }
    this.#swept = nowTick;
    const next = this.#nextTick(nowTick);
    if (next < this.#wakesAtTick) this.#wakeAt(next);
  }

  /** The first after `tick` with an entry in its slot, which may be of a later turn of the wheel. */
  #nextTick(tick: number): number {
    if (this.#pending === 0) return Number.POSITIVE_INFINITY;
    let next = tick + 1;
    while (this.#slots[next % slotCount] === undefined) next += 1;
    return next;
  }

  /** Drops all deadlines without telling them, and those that come; for a node that stops. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#wakesAtTick = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < slotCount; slot += 1) {
      for (let head = this.#slots[slot]; head !== undefined; head = this.#slots[slot]) this.clear(head);
    }
  }
}
