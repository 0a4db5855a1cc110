import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { type ClusterCommand, decodeCommand, type StagedChange } from '../topology/index.ts';
import { openIn, until } from './cluster-node.fixture.ts';
import { LogJournal } from './log-journal.ts';
import type { Cluster } from './open-cluster.ts';
import { decodeProposal } from './proposal.ts';
import { nodeOfReplica } from './replica-name.ts';

async function simulate(body: (world: World) => Promise<void>): Promise<void> {
  const world = new World({ seed: 7 });
  await world.run(() => body(world));
}

const c = nodeIdOf('c');
const x = nodeIdOf('x');

async function propose(cluster: Cluster, command: ClusterCommand): Promise<void> {
  assert.equal((await cluster.propose(command, 5000)).kind, 'applied');
}

/** `a` goes on owning everything, so nothing moves. */
async function commit(a: Cluster, change: StagedChange): Promise<void> {
  await propose(a, { kind: 'stage', change });
  const { generation, epoch, owners } = a.log.state;
  await propose(a, { kind: 'commit', planOf: { generation, epoch }, owners, isForced: false });
}

function haveVotes({ log }: Cluster, names: string): boolean {
  return log.status.voters.toSorted().join('') === names;
}

/** Of the members a, b, c and x all but `c` vote; nobody holds strays. `c` is the last. */
async function membersOf(world: World): Promise<readonly [Cluster, Cluster, Cluster, Cluster]> {
  const a = await openIn(world, 'a');
  const others: Cluster[] = [];
  for (const name of ['b', 'x', 'c']) {
    const cluster = await openIn(world, name);
    assert.equal((await cluster.join({ host: 'a', port: 7300 })).kind, 'joined');
    cluster.liveness.setHasStrays(false);
    others.push(cluster);
    await commit(a, { kind: 'join', node: cluster.log.self });
    if (name === 'x') await until(world, 'three vote', () => haveVotes(a, 'abx'));
  }
  const [b, leaving, last] = others;
  await until(world, 'c was heard', () => a.log.acked.get(c) === a.log.state.epoch);
  assert.ok(haveVotes(a, 'abx'));
  return [a, b!, leaving!, last!];
}

test('who leaves goes, though a member that was heard once and could take its vote is dead', () =>
  simulate(async (world) => {
    const [a, b, leaving, last] = await membersOf(world);
    await last.close();
    await until(world, 'c is dead', () => a.liveness.reachability(c) === 'dead');
    await commit(a, { kind: 'leave', node: x });
    assert.equal(a.log.state.members.get(x)?.status, 'exiting');
    await until(world, 'x is struck off', () => !a.log.state.members.has(x));
    assert.ok(haveVotes(a, 'ab'));
    const again = await openIn(world, 'c');
    await until(world, 'c votes', () => haveVotes(a, 'abc'));
    for (const cluster of [again, leaving, b, a]) await cluster.close();
  }));

test('who leaves is struck off when its agreement does not count any more, not while it still does', () =>
  simulate(async (world) => {
    const [a, ...others] = await membersOf(world);
    await commit(a, { kind: 'leave', node: x });
    await until(world, 'x is struck off', () => !a.log.state.members.has(x));
    for (const cluster of [...others, a]) await cluster.close();
    assert.ok(await wasSettledBefore(world, 'a', x));
  }));

test('who lost its log votes again, though the message with its new name is lost and nothing else happens', () =>
  simulate(async (world) => {
    const [a, first, ...others] = await membersOf(world);
    let b = first;
    // One of the cuts loses it, whenever it is sent.
    for (let cutMs = 0; cutMs < 200; cutMs += 10) {
      const { replica } = b.log.status;
      await b.close();
      const journal = await LogJournal.open(world.node('b').environment);
      journal.write([{ kind: 'no-replica' }], () => undefined);
      await journal.close();
      b = await openIn(world, 'b');
      assert.notEqual(b.log.status.replica, replica);
      await world.sleep(cutMs);
      world.network.resetConnections('a', 'b');
      await until(world, `b votes after a cut at ${cutMs} ms`, () => b.log.status.voters.length === 3);
    }
    for (const cluster of [b, ...others, a]) await cluster.close();
  }));

/** Whether the log of the replica had a membership in which `node` has no vote before the command that strikes it off. */
async function wasSettledBefore(world: World, name: string, node: NodeId): Promise<boolean> {
  const journal = await LogJournal.open(world.node(name).environment);
  const { entries } = journal.contents.replica!.persisted;
  await journal.close();
  let votes = true;
  for (const entry of entries) {
    if (entry.kind === 'membership') {
      const { voters, outgoing } = entry.membership;
      votes = [...voters, ...outgoing].some((peer) => nodeOfReplica(peer) === node);
    } else if (entry.kind === 'command') {
      const command = decodeCommand(decodeProposal(Buffer.from(entry.bytes))!.command);
      if (command?.kind === 'expel') return !votes;
    }
  }
  throw new Error('nobody was struck off');
}
