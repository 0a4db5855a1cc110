/** What the store tells its metrics. Called on the hot path: implementations count and return. */
export interface KvObserver {
  getFinished(
    durationMs: number,
    outcome: 'found' | 'notfound' | 'failed',
    bytes: number,
    siblings: number,
  ): void;
  putFinished(durationMs: number, outcome: 'stored' | 'failed', bytes: number, siblings: number): void;
  deleteFinished(durationMs: number, outcome: 'deleted' | 'notfound' | 'failed'): void;
  /** A read of one replica failed: corruption or a sick disk. */
  readFailed(): void;
  readRepaired(replicas: number): void;
  readRepairSkipped(): void;
  tombstoneReaped(): void;
  listStarted(): void;
  overloaded(): void;
}

export const silentObserver: KvObserver = {
  getFinished() {},
  putFinished() {},
  deleteFinished() {},
  readFailed() {},
  readRepaired() {},
  readRepairSkipped() {},
  tombstoneReaped() {},
  listStarted() {},
  overloaded() {},
};
