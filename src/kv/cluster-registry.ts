/** The registry that a cluster's nodes agree on: entries of the cluster log's state. */
import type { ClusterLog } from '../core/cluster/index.ts';
import type { ClusterState } from '../core/topology/index.ts';
import type { ByteString } from '../stdx/index.ts';
import type { Registry, RegistryChange, RegistryEntry, RegistryOutcome } from './registry.ts';

type Entries = ReadonlyMap<ByteString, RegistryEntry>;

export class ClusterRegistry implements Registry {
  readonly #log: ClusterLog;

  constructor(log: ClusterLog) {
    this.#log = log;
  }

  get history(): string {
    return historyOf(this.#log.state);
  }

  get(name: ByteString): RegistryEntry | undefined {
    return this.#log.state.registry.get(name);
  }

  names(prefix: ByteString): readonly ByteString[] {
    return [...this.#log.state.registry.keys()].filter((name) => name.startsWith(prefix));
  }

  async propose(changes: readonly RegistryChange[], timeoutMs: number): Promise<RegistryOutcome> {
    const outcome = await this.#log.propose({ kind: 'register', changes }, timeoutMs);
    switch (outcome.kind) {
      case 'applied':
        return { kind: 'applied' };
      case 'refused': {
        const { code, reason } = outcome.refusal;
        return code === 'conflict'
          ? { kind: 'conflict' }
          : {
              kind: 'failed',
              error: { code: 'invalid_properties', problems: [{ property: 'props', reason }] },
            };
      }
      default:
        return { kind: 'failed', error: { code: 'no_majority', reason: outcome.reason } };
    }
  }

  onChange(changed: (names: readonly ByteString[]) => void): void {
    this.#log.onState((state, before) => {
      if (state.registry === before.registry) return;
      const isSameHistory = historyOf(state) === historyOf(before);
      const names = namesThatDiffer(state.registry, before.registry, isSameHistory);
      if (names.length > 0) changed(names);
    });
  }
}

/** A revision is an epoch, and those of two clusters coincide. */
function historyOf({ clusterId, generation }: ClusterState): string {
  return `${clusterId} ${generation}`;
}

function namesThatDiffer(after: Entries, before: Entries, isSameHistory: boolean): readonly ByteString[] {
  const names: ByteString[] = [];
  for (const [name, { revision, value }] of after) {
    const known = before.get(name);
    const isSame = known?.revision === revision && (isSameHistory || known.value.equals(value));
    if (!isSame) names.push(name);
  }
  for (const name of before.keys()) if (!after.has(name)) names.push(name);
  return names;
}
