/** What was replaced by writes whose clients had read it: for sure by those that were acknowledged, perhaps by the rest. */
export interface ReplacedWrites {
  readonly forSure: ReadonlySet<number>;
  readonly perhaps: ReadonlySet<number>;
}

export interface WriteOverOthers {
  readonly outcome: 'acked' | 'refused' | 'unknown';
  /** Writes that its client had read. */
  readonly past: readonly number[];
}

export function replacedBy(writes: Iterable<WriteOverOthers>): ReplacedWrites {
  const forSure = new Set<number>();
  const perhaps = new Set<number>();
  for (const { past, outcome } of writes) {
    for (const id of past) {
      if (outcome !== 'refused') perhaps.add(id);
      if (outcome === 'acked') forSure.add(id);
    }
  }
  return { forSure, perhaps };
}
