/**
 * A cluster as it is when its nodes have joined and nothing moves any more, written to their disks before they start: for
 * scenarios that begin where forming it would be most of the run. The founder is the only voter at first, as after a
 * recovery; the leader chooses the others.
 */
import type { Configuration } from '../../config/index.ts';
import {
  type ClusterCommand,
  type ClusterState,
  fold,
  foundCluster,
  groupOfOne,
  LogJournal,
  type Member,
} from '../../core/index.ts';
import type { Environment, NodeId } from '../../environment/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import { clusterPort } from './cluster-configuration.ts';

export class FormedCluster {
  readonly #state: ClusterState;
  readonly #founder: NodeId;

  /** Of nodes with these configurations, which differ in names, hosts and locations. */
  constructor(configurations: readonly Configuration[], random: Prng) {
    const [founder, ...others] = configurations.map((one) => memberOf(one, random));
    const { ring_size: ringSize, target_n_val: targetN } = configurations[0]!;
    this.#founder = founder!.node;
    let state = foundCluster({ clusterId: hex(random), member: founder!, ringSize, targetN });
    for (const member of others) state = folded(state, { kind: 'admit', member });
    for (const { node } of others) state = folded(state, { kind: 'stage', change: { kind: 'join', node } });
    const { generation, epoch } = state;
    const owners = inTurns([founder!, ...others], ringSize, targetN);
    state = folded(state, { kind: 'commit', planOf: { generation, epoch }, owners, isForced: true });
    const partitions = [...state.moves.keys()];
    for (const to of ['copying', 'switched', 'released', 'done'] as const) {
      state = folded(state, { kind: 'advance', partitions, to, asOf: state.epoch });
    }
    this.#state = state;
  }

  /** What the node finds when it starts for the first time. */
  async install(node: NodeId, environment: Environment): Promise<void> {
    const { clusterId } = this.#state;
    const { instance } = this.#state.members.get(node)!;
    const journal = await LogJournal.open(environment);
    const group = node === this.#founder ? groupOfOne(this.#state, node, environment.random) : [];
    await new Promise<void>((resolve, reject) => {
      journal.write(
        [
          { kind: 'identity', identity: { node, instance, clusterId, isRemoved: false } },
          { kind: 'state', state: this.#state },
          ...group,
        ],
        (error) => (error === undefined ? resolve() : reject(error)),
      );
    });
    await journal.close();
  }
}

function memberOf(configuration: Configuration, random: Prng): Member {
  const { nodename, location, 'listener.cluster.internal': listener } = configuration;
  assert(listener !== 'off', 'nodes of a cluster listen');
  return {
    node: nodeIdOf(nodename),
    instance: hex(random),
    address: { host: listener.host, port: clusterPort },
    location: location === '' ? undefined : location,
    status: 'joining',
    // Each says what it can when it starts.
    capabilities: new Map(),
  };
}

/** What claim would find too, at length: any `targetN` partitions in a row have distinct owners. */
function inTurns(members: readonly Member[], ringSize: number, targetN: number): NodeId[] {
  const left = ringSize % members.length;
  assert(
    members.length >= targetN && (left === 0 || left >= targetN),
    'the last ones and the first are distinct too',
  );
  return Array.from({ length: ringSize }, (_, partition) => members[partition % members.length]!.node);
}

function hex(random: Prng): string {
  return Array.from({ length: 16 }, () => random.below(256).toString(16).padStart(2, '0')).join('');
}

function folded(state: ClusterState, command: ClusterCommand): ClusterState {
  const { state: next, refusal } = fold(state, command);
  assert(refusal === undefined, `a command of a calm cluster is not refused: ${refusal?.reason}`);
  return next;
}
