/** A batch in the parts that go to the backends. */
import type { Buffer } from 'node:buffer';
import { WriteBatch } from '../storage-engine.ts';

export interface KeyPlan<B> {
  readonly backend: B;
  readonly isMoving: boolean;
  /** Of the node, not of a bucket. */
  readonly isRecord: boolean;
}

export class PlannedBatch<B> {
  /** In the order of their first writes. One that is all of the batch is the batch itself. */
  readonly parts: ReadonlyMap<B, WriteBatch>;
  readonly hasMoving: boolean;
  readonly hasRecords: boolean;
  /** Of each write of the batch. */
  readonly #backends: readonly B[];

  private constructor(
    backends: readonly B[],
    parts: ReadonlyMap<B, WriteBatch>,
    hasMoving: boolean,
    hasRecords: boolean,
  ) {
    this.#backends = backends;
    this.parts = parts;
    this.hasMoving = hasMoving;
    this.hasRecords = hasRecords;
  }

  static of<B>(batch: WriteBatch, planOf: (key: Buffer) => KeyPlan<B>): PlannedBatch<B> {
    const backends: B[] = [];
    let hasMoving = false;
    let hasRecords = false;
    let isSplit = false;
    for (const key of batch.keys) {
      const plan = planOf(key);
      hasMoving ||= plan.isMoving;
      hasRecords ||= plan.isRecord;
      backends.push(plan.backend);
      isSplit ||= plan.backend !== backends[0];
    }
    const parts = isSplit ? split(batch, backends) : new Map<B, WriteBatch>();
    if (!isSplit && batch.length > 0) parts.set(backends[0]!, batch);
    return new PlannedBatch(backends, parts, hasMoving, hasRecords);
  }

  /** Where the write at this place of the batch goes. */
  backendAt(place: number): B {
    return this.#backends[place]!;
  }

  /** All of the batch goes to one backend: that fails, or does not, as a whole. */
  get isWhole(): boolean {
    const [only] = this.parts.values();
    return this.parts.size === 1 && only?.length === this.#backends.length;
  }

  /** Whether something of it goes elsewhere. */
  isBeyond(backend: B): boolean {
    return this.parts.size > (this.parts.has(backend) ? 1 : 0);
  }

  /** Empty, if it has no such part. */
  partOf(backend: B): WriteBatch {
    return this.parts.get(backend) ?? new WriteBatch();
  }

  without(backend: B): PlannedBatch<B> {
    const parts = new Map(this.parts);
    parts.delete(backend);
    return new PlannedBatch(this.#backends, parts, this.hasMoving, false);
  }
}

function split<B>(batch: WriteBatch, backends: readonly B[]): Map<B, WriteBatch> {
  const parts = new Map<B, WriteBatch>();
  for (const [i, backend] of backends.entries()) {
    const part = partOf(parts, backend);
    const value = batch.values[i];
    if (value === undefined) part.delete(batch.keys[i]!);
    else part.put(batch.keys[i]!, value);
  }
  return parts;
}

/** Made, if it is not there. */
export function partOf<B>(parts: Map<B, WriteBatch>, backend: B): WriteBatch {
  let part = parts.get(backend);
  if (part === undefined) {
    part = new WriteBatch();
    parts.set(backend, part);
  }
  return part;
}
