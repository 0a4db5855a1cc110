/**
 * An engine that for a while cannot read what lies in a range of keys: a replica that is out of reach.
 */
import type { Buffer } from 'node:buffer';
import { type StorageEngine, StorageError } from '../../storage/index.ts';
import { PassingEngine } from './passing-engine.ts';

export interface Hidden {
  /** Changed by the scenario while the engine runs. */
  range: { readonly from: Buffer; readonly to: Buffer } | undefined;
}

export class HidingEngine extends PassingEngine {
  readonly #hidden: Hidden;

  constructor(engine: StorageEngine, hidden: Hidden) {
    super(engine);
    this.#hidden = hidden;
  }

  override get(key: Buffer): Buffer | undefined {
    const { range } = this.#hidden;
    if (range !== undefined && key.compare(range.from) >= 0 && key.compare(range.to) < 0) {
      throw new StorageError('io', 'out of reach');
    }
    return super.get(key);
  }
}
