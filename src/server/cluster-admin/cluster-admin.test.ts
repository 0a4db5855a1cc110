/** Operators' requests on real nodes of one process. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { AdminFailure } from './admin-failure.ts';
import { clusterRoutes } from './cluster-routes.ts';
import { enterCluster, growYoungCluster } from './grow-young-cluster.ts';
import { addressOf, isFailure, isHealthy, Nodes, until } from './nodes.fixture.ts';
import { parsePlanId } from './plan-id.ts';

const later = { planOf: undefined, isForced: false } as const;

test('nodes that start together grow into one cluster without a person', async (context) => {
  const nodes = new Nodes(context);
  const [one, two, three] = await Promise.all(['one', 'two', 'three'].map((name) => nodes.start(name)));
  const seeds = [addressOf(one!)];
  const outcomes = await Promise.all(
    [two!, three!].map(async (node) => {
      const parts = nodes.growing(node);
      assert.deepEqual(await enterCluster(seeds, parts), { kind: 'member', isNew: true });
      return growYoungCluster(parts);
    }),
  );
  assert.deepEqual(outcomes, [{ kind: 'grown' }, { kind: 'grown' }]);
  await until(() => isHealthy(one!));
  const { members, staged, voters } = await one!.admin.overview();
  assert.deepEqual(
    members.map(({ status }) => status),
    ['valid', 'valid', 'valid'],
  );
  assert.deepEqual(
    members.map(({ partitions }) => partitions).sort((x, y) => x - y),
    [2, 3, 3],
  );
  assert.deepEqual(
    members.map(({ version }) => version),
    ['1.2.3', '1.2.3', '1.2.3'],
  );
  assert.deepEqual(staged, []);
  assert.equal(voters.length, 3);
  assert.deepEqual(await enterCluster([{ host: '127.0.0.1', port: 1 }], nodes.growing(two!)), {
    kind: 'member',
    isNew: false,
  });
});

test('C6: a plan that was looked at is committed as it was, or not at all', async (context) => {
  const nodes = new Nodes(context);
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')]);
  await assert.rejects(one.admin.plan(), isFailure('nothing_planned'));
  await two.admin.join(addressOf(one));
  await until(() => isHealthy(one));
  const looked = await one.admin.plan();
  assert.equal(looked.moves.length, 4);
  assert.equal((await one.admin.plan()).plan_id, looked.plan_id);
  const planOf = parsePlanId(looked.plan_id);
  await two.admin.stage({ kind: 'location', node: two.admin.self, location: 'rack' });
  await assert.rejects(one.admin.commit({ planOf, isForced: true }), isFailure('plan_outdated'));
  const now = await two.admin.plan();
  const committed = await two.admin.commit({ planOf: parsePlanId(now.plan_id), isForced: false });
  assert.equal(committed.moves, 4);
  await until(() => isHealthy(one));
  const { members } = await one.admin.members();
  assert.deepEqual(
    members.map(({ node, partitions, location }) => [node, partitions, location]),
    [
      ['one@127.0.0.1', 4, '127.0.0.1'],
      ['two@127.0.0.1', 4, 'rack'],
    ],
  );
  assert.deepEqual((await one.admin.transfers()).unanswered, [], 'every member says what it moves');
});

test('who is marked down makes the cluster ill: a commit says why, and force says what it overrode', async (context) => {
  const nodes = new Nodes(context);
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')]);
  await two.admin.join(addressOf(one));
  await until(() => isHealthy(one));
  await one.admin.commit(later);
  await until(() => isHealthy(one));
  await one.admin.mark(two.admin.self, 'down');
  const looked = await one.admin.overview();
  await one.admin.stage({ kind: 'location', node: one.admin.self, location: 'x' });
  await assert.rejects(
    one.admin.commit({ planOf: parsePlanId(looked.plan_id), isForced: false }),
    isFailure('plan_outdated'),
    'who looked at another plan need not hear what is wrong with this one',
  );
  await assert.rejects(one.admin.commit(later), (error: unknown) => {
    assert.ok(error instanceof AdminFailure);
    assert.deepEqual([error.code, error.reasons], ['unhealthy', ['two@127.0.0.1 is marked down']]);
    return true;
  });
  const { forced } = await one.admin.commit({ planOf: undefined, isForced: true });
  assert.deepEqual(forced, ['two@127.0.0.1 is marked down']);
});

test('a change that stands staged is not staged twice; impossible ones are refused by their codes', async (context) => {
  const nodes = new Nodes(context);
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')]);
  const { epoch } = await two.admin.join(addressOf(one));
  assert.equal((await two.admin.join(addressOf(one))).epoch, epoch);
  assert.equal((await one.admin.overview()).staged.length, 1);
  const leave = { kind: 'leave', node: one.admin.self } as const;
  assert.equal(await one.admin.stage(leave), await one.admin.stage(leave));
  const post = clusterRoutes(one.admin).get('cluster/location')!;
  assert.ok(post.method === 'POST');
  const misspelt = Buffer.from('{"location":"x","nod":"two@127.0.0.1"}');
  assert.throws(() => post.answer(misspelt), isFailure('bad_request'));
  assert.equal((await one.admin.overview()).staged.length, 2);
  const stranger = nodeIdOf('nobody@nowhere');
  await assert.rejects(one.admin.stage({ kind: 'leave', node: stranger }), isFailure('unknown_member'));
  await assert.rejects(
    one.admin.recover(new Set([one.admin.self])),
    isFailure('recover_refused'),
    'the voters have a leader',
  );
  await one.admin.clear();
  await assert.rejects(one.admin.stage({ kind: 'leave', node: one.admin.self }), isFailure('last_member'));
  assert.deepEqual((await one.admin.overview()).staged, []);
});

test('a cluster in which other things than joins are staged is left to its operator', async (context) => {
  const nodes = new Nodes(context);
  const [one, two] = await Promise.all([nodes.start('one'), nodes.start('two')]);
  await one.admin.stage({ kind: 'location', node: one.admin.self, location: 'x' });
  const parts = nodes.growing(two);
  assert.equal((await enterCluster([addressOf(one)], parts)).kind, 'member');
  assert.deepEqual(await growYoungCluster(parts), {
    kind: 'left-to-operator',
    reason: 'other changes than joins are staged',
  });
  const { staged } = await one.admin.overview();
  assert.deepEqual(
    staged.map(({ kind }) => kind),
    ['location', 'join'],
  );
});

test('what two failures could cost is asked of the ring as it is, within bounds', async (context) => {
  const one = await new Nodes(context).start('one');
  const risk = one.admin.risk({ failures: 1, unit: 'node', replicas: undefined });
  assert.deepEqual([risk.sets, risk.sets_losing_all, risk.replicas], [1, 1, 3]);
  assert.throws(
    () => one.admin.risk({ failures: 0, unit: 'node', replicas: undefined }),
    isFailure('bad_request'),
  );
  assert.throws(() => one.admin.risk({ failures: 2, unit: 'node', replicas: 9 }), isFailure('bad_request'));
});
