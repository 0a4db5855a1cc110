import type { StorageEngine } from '../storage-engine.ts';

/** One of the engines behind a node's one. */
export interface Backend {
  /** As the configuration names it. */
  readonly name: string;
  readonly engine: StorageEngine;
  /** Keeps nothing across a restart, by design. */
  readonly isVolatile: boolean;
}
