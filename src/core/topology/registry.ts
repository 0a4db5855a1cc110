/** Facts of the layers above, changed all or none, by compare-and-set on their revisions. */
import type { ByteString } from '../../stdx/index.ts';
import type { ClusterCommand, ClusterState, RegistryEntry } from './cluster-state.ts';
import { changed, type Folded, refused } from './folded.ts';
import {
  registryBytesMax,
  registryChangesMax,
  registryEntriesMax,
  registryNameBytesMax,
  registryValueBytesMax,
} from './topology-limits.ts';

type RegistryChanges = Extract<ClusterCommand, { kind: 'register' }>['changes'];

export function registerFacts(state: ClusterState, changes: RegistryChanges): Folded {
  if (changes.length > registryChangesMax) {
    return refused(state, 'too_large', `at most ${registryChangesMax} facts change at once`);
  }
  const registry = new Map(state.registry);
  for (const { name, value, expected } of changes) {
    const revision = state.registry.get(name)?.revision ?? 0;
    if (expected !== undefined && expected !== revision) {
      return refused(state, 'conflict', `expected revision ${expected} of a fact that has ${revision}`);
    }
    if (name.length > registryNameBytesMax) {
      return refused(state, 'too_large', `a fact's name has at most ${registryNameBytesMax} bytes`);
    }
    if (value === undefined) registry.delete(name);
    else if (value.length > registryValueBytesMax) {
      return refused(state, 'too_large', `a fact has at most ${registryValueBytesMax} bytes`);
    } else registry.set(name, { value, revision: state.epoch });
  }
  const excess = growsBeyond(state.registry, registry);
  return excess === undefined ? changed(state, { registry }) : refused(state, 'too_large', excess);
}

/** What shrinks a registry is never refused, whatever the limits were when it grew. */
function growsBeyond(before: ClusterState['registry'], after: ClusterState['registry']): string | undefined {
  if (after.size > registryEntriesMax && after.size > before.size) {
    return `the registry holds at most ${registryEntriesMax} facts`;
  }
  const bytes = registryBytes(after);
  if (bytes > registryBytesMax && bytes > registryBytes(before)) {
    return `the registry holds at most ${registryBytesMax} bytes`;
  }
  return undefined;
}

function registryBytes(registry: ReadonlyMap<ByteString, RegistryEntry>): number {
  let bytes = 0;
  for (const [name, { value }] of registry) bytes += name.length + value.length;
  return bytes;
}
