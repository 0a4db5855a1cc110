/** What will happen, in order of virtual time; events of one instant in the order they were planned. */

/** Whom an event happens to, and who decides whether and when it does: a process that was killed is spared. */
export interface Subject {
  happens(run: () => void): void;
}

export interface PlannedEvent {
  readonly atMs: number;
  readonly order: number;
  /** Undefined: it happens outside all processes. */
  readonly to: Subject | undefined;
  /** Undefined once cancelled or run. */
  run: (() => void) | undefined;
}

/** A binary heap. Cancelled events stay in it until their time: a cancel costs nothing. */
export class EventQueue {
  readonly #heap: PlannedEvent[] = [];
  #planned = 0;

  get size(): number {
    return this.#heap.length;
  }

  plan(atMs: number, run: () => void, to?: Subject): PlannedEvent {
    const event: PlannedEvent = { atMs, order: this.#planned++, to, run };
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[hole] = heap[parent]!;
      hole = parent;
    }
    heap[hole] = event;
    return event;
  }

  /** The next event that was not cancelled. */
  take(): PlannedEvent | undefined {
    for (;;) {
      const event = this.#takeAny();
      if (event === undefined || event.run !== undefined) return event;
    }
  }

  #takeAny(): PlannedEvent | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = last;
    return first;
  }
}

function isBefore(a: PlannedEvent, b: PlannedEvent): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
