/**
 * What the disks of a cluster at rest hold:
 *
 *   V1  A key is at the owner of each partition of its preference list, with the same bytes, or nowhere.
 *   V2  No node holds anything of a partition that it does not own: hints were handed back, moved data dropped.
 *   V3  A tombstone is nowhere, unless tombstones are kept. While it is being forgotten it is at some and gone at others.
 */
import type { Partition, Ring } from '../../core/ring/index.ts';
import { VersionedObject } from '../../kv/index.ts';
import { assert } from '../../stdx/index.ts';
import type { StoredCopy } from './replicas-agree.ts';

export interface NodeCopies {
  readonly node: string;
  /** By `bucket/key`. */
  readonly copies: ReadonlyMap<string, readonly StoredCopy[]>;
}

export interface ConvergedRules {
  readonly ring: Ring;
  readonly replicasOf: (name: string) => readonly Partition[];
  readonly tombstonesAreKept: boolean;
}

export function checkConverged(nodes: readonly NodeCopies[], rules: ConvergedRules): readonly string[] {
  const violations: string[] = [];
  const byName = new Map<string, StoredCopy[]>();
  for (const { node, copies } of nodes) {
    for (const [name, stored] of copies) {
      const known = byName.get(name) ?? [];
      byName.set(name, known);
      for (const copy of stored) {
        if (rules.ring.ownerOf(copy.partition) === node) known.push(copy);
        else
          violations.push(`V2: ${node} holds ${name} of partition ${copy.partition}, which is not its own`);
      }
    }
  }
  for (const [name, stored] of byName) violations.push(...checkKey(name, stored, rules));
  return violations;
}

function checkKey(name: string, stored: readonly StoredCopy[], rules: ConvergedRules): readonly string[] {
  const first = stored[0];
  if (first === undefined) return [];
  const violations: string[] = [];
  const found = stored.map(({ partition }) => partition).sort((a, b) => a - b);
  const wanted = [...rules.replicasOf(name)].sort((a, b) => a - b);
  assert(wanted.length > 0, `${name} has a preference list`);
  const areSame = stored.every(({ bytes }) => bytes.equals(first.bytes));
  if (areSame && !rules.tombstonesAreKept && VersionedObject.decode(first.bytes).isTombstone) {
    return [`V3: the tombstone of ${name} on partitions ${found.join()} was not forgotten`];
  }
  if (found.join() !== wanted.join()) {
    violations.push(`V1: ${name} is on partitions ${found.join()}, not ${wanted.join()}`);
  }
  if (!areSame) violations.push(`V1: the copies of ${name} differ`);
  return violations;
}
