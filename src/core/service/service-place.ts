/** Where in the ring the names of a service lie. */
import { hash } from 'node:crypto';
import type { Partition, Ring, RingHash } from '../ring/index.ts';

/** The first of the partitions that hold `name`: SHA-1 of its UTF-8 (Dynamo §4.2). */
export function firstPartition(ring: Ring, name: string): Partition {
  return ring.partitionOf(Number.parseInt(hash('sha1', name).slice(0, 8), 16) as RingHash);
}

/** All of them, in ring order. */
export function partitionsOfName(ring: Ring, name: string, replicas: number): readonly Partition[] {
  const first = firstPartition(ring, name);
  return Array.from({ length: Math.min(replicas, ring.size) }, (_, step) => ring.after(first, step));
}
