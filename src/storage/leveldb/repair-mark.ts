/**
 * Remembers that a repair has begun and what follows it has not ended. LevelDB's repair is not atomic: it
 * moves journals away before the tables made of them are known, and a database that was opened in between
 * would drop those tables; and after it, what it may have brought back must still be removed. So a repair
 * that was cut short is made again, as a whole.
 */
import { type Disk, DiskError } from '../../environment/index.ts';

export interface RepairMark {
  isSet(): Promise<boolean>;
  /** Durable when resolved. */
  set(): Promise<void>;
  /** Durable when resolved. */
  clear(): Promise<void>;
}

/** An empty file of the data directory. Rejects with `DiskError`. */
export class RepairMarkFile implements RepairMark {
  readonly #disk: Pick<Disk, 'open' | 'remove' | 'syncDirectory'>;
  readonly #name: string;

  constructor(disk: Pick<Disk, 'open' | 'remove' | 'syncDirectory'>, name: string) {
    this.#disk = disk;
    this.#name = name;
  }

  async isSet(): Promise<boolean> {
    try {
      await (await this.#disk.open(this.#name, { create: false })).close();
      return true;
    } catch (error) {
      if (error instanceof DiskError && error.code === 'missing') return false;
      throw error;
    }
  }

  async set(): Promise<void> {
    await (await this.#disk.open(this.#name, { create: true })).close();
    await this.#disk.syncDirectory('');
  }

  async clear(): Promise<void> {
    await this.#disk.remove(this.#name);
    await this.#disk.syncDirectory('');
  }
}
