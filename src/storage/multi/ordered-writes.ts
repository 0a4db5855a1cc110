/**
 * Writes to several backends in the order in which they must become durable. It decides nothing about where a key
 * belongs; whoever calls sees to it that writes which need an order do not run beside others.
 *
 * - B2  A record of the node's is durable before any entry of another backend that was written with it or after it: an
 *       entry may rely on a record. And a record that is written durably is so after all entries before it are.
 */
import { Buffer } from 'node:buffer';
import { type Durability, PartlyWritten, WriteBatch } from '../storage-engine.ts';
import type { Backend } from './backend.ts';
import { endOfAll, failuresOf } from './end-of-all.ts';
import type { PlannedBatch } from './planned-batch.ts';

export interface BackendWrites {
  readonly batches: number;
  /** Of keys and values. */
  readonly bytes: number;
}

export class OrderedWrites {
  readonly #home: Backend;
  /** Written, synced, so that what was written before it is durable too. */
  readonly #barrierKey: Buffer;
  readonly #written = new Map<Backend, BackendWrites>();
  /** Backends with writes that no sync has followed. */
  readonly #unsynced = new Set<Backend>();
  #recordsAreUnsynced = false;

  /** `home` has the node's records. */
  constructor(home: Backend, barrierKey: Buffer) {
    this.#home = home;
    this.#barrierKey = barrierKey;
  }

  /** What was written to a backend since the start. */
  writtenTo(backend: Backend): BackendWrites {
    return this.#written.get(backend) ?? { batches: 0, bytes: 0 };
  }

  /** B2: whether parts must follow each other. */
  needsOrder(plan: PlannedBatch<Backend>, durability: Durability): boolean {
    if (plan.isBeyond(this.#home)) return plan.hasRecords || this.#recordsAreUnsynced;
    return plan.hasRecords && durability === 'synced' && this.#unsyncedBeyondHome();
  }

  async inOrder(plan: PlannedBatch<Backend>, durability: Durability): Promise<void> {
    if (!this.needsOrder(plan, durability)) return this.atOnce(plan, durability);
    if (plan.hasRecords && durability === 'synced') {
      await endOfAll([...this.#unsynced], async (backend) => {
        if (backend !== this.#home) await this.sync(backend, new WriteBatch());
      });
    }
    await this.sync(this.#home, plan.partOf(this.#home));
    this.#recordsAreUnsynced = false;
    await this.atOnce(plan.without(this.#home), durability);
  }

  /** The parts side by side. Where some fail, rejects with `PartlyWritten`. */
  async atOnce(plan: PlannedBatch<Backend>, durability: Durability): Promise<void> {
    if (durability === 'os') {
      for (const [backend] of plan.parts) if (!backend.isVolatile) this.#unsynced.add(backend);
      if (plan.hasRecords) this.#recordsAreUnsynced = true;
    }
    const [only] = plan.parts;
    if (only !== undefined && plan.isWhole) return this.to(only[0], only[1], durability);
    const failures = await failuresOf([...plan.parts.keys()], (backend) =>
      this.to(backend, plan.partOf(backend), durability),
    );
    const [failure] = failures.values();
    if (failure === undefined) return;
    throw new PartlyWritten(failure, (place) => !failures.has(plan.backendAt(place)));
  }

  /** All of it, when nothing is anywhere else. What may have to be synced before something else is, one day, counts. */
  async toHome(batch: WriteBatch, durability: Durability): Promise<void> {
    if (durability === 'os') {
      this.#unsynced.add(this.#home);
      this.#recordsAreUnsynced = true;
    }
    await this.to(this.#home, batch, durability);
  }

  /** Writes the batch, and what was written before it, durably. */
  async sync(backend: Backend, batch: WriteBatch): Promise<void> {
    const barrier = new WriteBatch();
    barrier.put(this.#barrierKey, Buffer.alloc(0));
    await this.to(backend, batch.length === 0 ? barrier : batch, 'synced');
    this.#unsynced.delete(backend);
  }

  /** Whatever was written before: for entries that are moved, which are somewhere until their new place has them. */
  async to(backend: Backend, batch: WriteBatch, durability: Durability): Promise<void> {
    await backend.engine.write(batch, durability);
    const { batches, bytes } = this.writtenTo(backend);
    this.#written.set(backend, { batches: batches + 1, bytes: bytes + batch.byteLength });
  }

  #unsyncedBeyondHome(): boolean {
    return this.#unsynced.size > (this.#unsynced.has(this.#home) ? 1 : 0);
  }
}
