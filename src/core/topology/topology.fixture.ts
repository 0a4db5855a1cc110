/** Clusters for tests: commands folded one after another, and random ones. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterCommand, ClusterState, CommandRefusal, Member, StagedChange } from './cluster-state.ts';
import { fold, foundCluster } from './fold.ts';
import type { Folded } from './folded.ts';

export const nodes = ['a@h1', 'b@h1', 'c@h2', 'd@h2', 'e@h3', 'f@h3'].map(nodeIdOf);

export function memberOf(node: NodeId, changes: Partial<Member> = {}): Member {
  return {
    node,
    instance: `instance of ${node}`,
    address: { host: '127.0.0.1', port: 7000 },
    location: undefined,
    status: 'joining',
    capabilities: new Map([['transfer', 1]]),
    http: undefined,
    protobuf: undefined,
    ...changes,
  };
}

/** Folds commands and insists on what each must do. */
export class FoldedCluster {
  state: ClusterState;

  constructor(ringSize = 8, founder = nodes[0]) {
    this.state = foundCluster({ clusterId: 'c', member: memberOf(founder), ringSize, targetN: 3 });
  }

  apply(command: ClusterCommand): this {
    const { state, refusal } = fold(this.state, command);
    assert.equal(refusal, undefined);
    this.state = state;
    return this;
  }

  refuse(code: CommandRefusal['code'], command: ClusterCommand): this {
    const { state, refusal } = fold(this.state, command);
    assert.equal(refusal?.code, code, refusal?.reason);
    for (const part of Object.keys(state) as (keyof ClusterState)[]) {
      if (part === 'epoch') assert.equal(state.epoch, this.state.epoch + 1);
      else assert.equal(state[part], this.state[part], `${part} stays`);
    }
    this.state = state;
    return this;
  }

  stage(change: StagedChange): this {
    return this.apply({ kind: 'stage', change });
  }

  commit(owners: readonly NodeId[], isForced = false): this {
    return this.apply(this.commitOf(owners, isForced));
  }

  commitOf(owners: readonly NodeId[], isForced = false): ClusterCommand {
    const { generation, epoch } = this.state;
    return { kind: 'commit', planOf: { generation, epoch }, owners, isForced };
  }

  advance(to: 'copying' | 'switched' | 'released' | 'done', ...partitions: number[]): this {
    return this.apply(this.advanceOf(to, ...partitions));
  }

  /** Without partitions: all that move. */
  advanceOf(to: 'copying' | 'switched' | 'released' | 'done', ...partitions: number[]): ClusterCommand {
    const moving = partitions.length === 0 ? [...this.state.moves.keys()] : (partitions as Partition[]);
    return { kind: 'advance', to, partitions: moving, asOf: this.state.epoch };
  }

  finishMoves(): this {
    for (const to of ['copying', 'switched', 'released', 'done'] as const) this.advance(to);
    return this;
  }

  /** Enters nodes, spreads the ring over all and lets it get there. */
  grow(...joining: NodeId[]): this {
    for (const node of joining) {
      this.apply({ kind: 'admit', member: memberOf(node) });
      this.stage({ kind: 'join', node });
    }
    this.commit(dealt(this.state.owners.length, [...this.state.members.keys()]));
    return this.state.moves.size === 0 ? this : this.finishMoves();
  }

  statusOf(node: NodeId): string | undefined {
    return this.state.members.get(node)?.status;
  }
}

export function dealt(ringSize: number, among: readonly NodeId[]): NodeId[] {
  return Array.from({ length: ringSize }, (_, partition) => among[partition % among.length]);
}

const node = fc.constantFrom(...nodes);
const partition = fc.nat(9) as fc.Arbitrary<Partition>;
const epoch = fc.nat(60);
/** With the usual prototype, as the decoder makes them. */
const record = <Fields>(model: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> }) =>
  fc.record(model, { noNullPrototype: true });
const text = fc.oneof(fc.constantFrom('r1', 'r2'), fc.string({ unit: 'grapheme', maxLength: 300 }));
const address = record({ host: text, port: fc.nat(65_535) });

export const member: fc.Arbitrary<Member> = record<Member>({
  node,
  instance: fc.constantFrom('i1', 'i2', ...nodes.map((each) => `instance of ${each}`)),
  address,
  location: fc.option(text, { nil: undefined }),
  status: fc.constantFrom('joining', 'valid', 'leaving', 'exiting', 'down'),
  capabilities: fc.array(fc.tuple(text, fc.nat(9)), { maxLength: 3 }).map((pairs) => new Map(pairs)),
  http: fc.option(address, { nil: undefined }),
  protobuf: fc.option(address, { nil: undefined }),
});

export const stagedChange: fc.Arbitrary<StagedChange> = fc.oneof(
  record({ kind: fc.constantFrom(...(['join', 'leave', 'remove'] as const)), node }),
  record({ kind: fc.constantFrom(...(['replace', 'force-replace'] as const)), node, by: node }),
  record({
    kind: fc.constant('location' as const),
    node,
    location: fc.option(text, { nil: undefined }),
  }),
);

const factName = fc.constantFrom('x', 'y', '\xff\x00').map(byteLiteral);
const registryChange = record({
  name: factName,
  value: fc.option(
    fc.uint8Array({ maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
    { nil: undefined },
  ),
  expected: fc.option(fc.oneof(fc.constant(0), epoch), { nil: undefined }),
});

/** Any command at all, most of them senseless. */
export const command: fc.Arbitrary<ClusterCommand> = fc.oneof(
  record({ kind: fc.constantFrom(...(['admit', 'announce'] as const)), member }),
  record({ kind: fc.constant('stage' as const), change: stagedChange }),
  record({ kind: fc.constantFrom(...(['clear', 'cancel'] as const)) }),
  record({
    kind: fc.constant('commit' as const),
    planOf: record({ generation: fc.integer({ min: 1, max: 2 }), epoch }),
    owners: fc.oneof(fc.array(node, { maxLength: 9 }), fc.array(node, { minLength: 8, maxLength: 8 })),
    isForced: fc.boolean(),
  }),
  record({
    kind: fc.constant('mark' as const),
    node,
    status: fc.constantFrom(...(['down', 'valid'] as const)),
  }),
  record({
    kind: fc.constant('advance' as const),
    partitions: fc.array(partition, { maxLength: 9 }),
    to: fc.constantFrom(...(['copying', 'switched', 'released', 'done'] as const)),
    asOf: epoch,
  }),
  record({ kind: fc.constant('expel' as const), node }),
  record({
    kind: fc.constant('register' as const),
    changes: fc.array(registryChange, { maxLength: 3 }),
  }),
);

/** Folds a history, checks each step, and says of a failure which commands led to it. */
export function foldHistory(
  start: ClusterState,
  steps: readonly Step[],
  check: (before: ClusterState, asked: ClusterCommand, folded: Folded) => void,
): void {
  let state = start;
  const asked: string[] = [];
  try {
    for (const make of steps) {
      const command = make(state);
      asked.push(JSON.stringify(command));
      const folded = fold(state, command);
      check(state, command, folded);
      ({ state } = folded);
    }
  } catch (error) {
    const last = state.moves.size > 0 ? JSON.stringify([...state.moves.values()]) : 'nothing moved';
    throw new Error(`after ${asked.length} commands, ${last}:\n${asked.slice(-8).join('\n')}`, {
      cause: error,
    });
  }
}

/**
 * A step of a history: a command made from the state at hand, so that most are accepted, or any command at all.
 * Partitions and rings are drawn by number and fitted to the state.
 */
export type Step = (state: ClusterState) => ClusterCommand;

export const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: command.map((each) => () => each) },
  { weight: 2, arbitrary: node.map((each) => () => ({ kind: 'admit', member: memberOf(each) }) as const) },
  { weight: 4, arbitrary: stagedChange.map((change) => () => ({ kind: 'stage', change }) as const) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.array(fc.nat(5), { minLength: 8, maxLength: 8 }), fc.boolean()).map(plannedCommit),
  },
  { weight: 12, arbitrary: fc.subarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 6 }).map(nextAdvance) },
  { weight: 2, arbitrary: fc.constant(nextExpel) },
);

/** Takes those of the partitions a stage further that are where the first of them is. */
function nextAdvance(drawn: number[]): Step {
  return ({ moves, epoch: asOf }) => {
    const partitions = drawn.filter((each) => moves.has(each as Partition)) as Partition[];
    const stage = partitions.length === 0 ? 'planned' : moves.get(partitions[0])!.stage;
    const to = ({ planned: 'copying', copying: 'switched', switched: 'released', released: 'done' } as const)[
      stage
    ];
    return { kind: 'advance', to, partitions, asOf };
  };
}

function nextExpel({ members }: ClusterState): ClusterCommand {
  const exiting = [...members.values()].filter(({ status }) => status === 'exiting').map((each) => each.node);
  return { kind: 'expel', node: exiting.sort()[0] ?? nodes[0] };
}

/** A ring whose owners are those that will be able to own it, but for pinned partitions and bad luck. */
function plannedCommit([numbers, isForced]: [number[], boolean]): Step {
  return (state) => {
    const going = new Set(
      state.staged.flatMap(({ kind, node: each }) => (kind === 'join' || kind === 'location' ? [] : [each])),
    );
    const coming = state.staged.flatMap((change) =>
      change.kind === 'join' ? [change.node] : 'by' in change ? [change.by] : [],
    );
    const valid = [...state.members.values()].filter(({ status }) => status === 'valid');
    const able = [...valid.map((each) => each.node).filter((each) => !going.has(each)), ...coming].sort();
    const owners = state.owners.map((owner, at) => {
      const move = state.moves.get(at as Partition);
      const isPinned = move?.stage === 'switched' || move?.stage === 'released';
      if (isPinned && able.includes(owner)) return owner;
      return able.length === 0 ? owner : able[numbers[at] % able.length];
    });
    const { generation, epoch: planEpoch } = state;
    return { kind: 'commit', planOf: { generation, epoch: planEpoch }, owners, isForced };
  };
}
