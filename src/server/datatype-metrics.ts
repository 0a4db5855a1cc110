/** What a node counts of data types, and how that is shown. */
import type { CrdtType } from '../crdt/index.ts';
import { SlidingCounter } from './sliding-window.ts';

const types: readonly CrdtType[] = ['counter', 'set', 'map', 'gset', 'hll'];

type FetchOutcome = 'found' | 'notfound' | 'failed';
type UpdateOutcome = 'updated' | 'failed';

/** Of one type. */
export class DatatypeCounters {
  readonly fetches = new SlidingCounter();
  readonly updates = new SlidingCounter();
  readonly fetchOutcomes: Record<FetchOutcome, number> = { found: 0, notfound: 0, failed: 0 };
  readonly updateOutcomes: Record<UpdateOutcome, number> = { updated: 0, failed: 0 };
}

export class DatatypeMetrics {
  readonly byType: ReadonlyMap<CrdtType, DatatypeCounters> = new Map(
    types.map((type) => [type, new DatatypeCounters()]),
  );
  deltas = 0;
  deltaBytes = 0;
  deltasRefused = 0;

  get sampled(): readonly SlidingCounter[] {
    return [...this.byType.values()].flatMap(({ fetches, updates }) => [fetches, updates]);
  }

  fetched(type: CrdtType, outcome: FetchOutcome): void {
    const counters = this.byType.get(type)!;
    counters.fetches.add();
    counters.fetchOutcomes[outcome] += 1;
  }

  updated(type: CrdtType, outcome: UpdateOutcome): void {
    const counters = this.byType.get(type)!;
    counters.updates.add();
    counters.updateOutcomes[outcome] += 1;
  }

  deltaSent(bytes: number): void {
    this.deltas += 1;
    this.deltaBytes += bytes;
  }
}
