/** `hale cluster …`, `hale dev` and `hale start --join`, as real processes. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Finished, type HaleProcess, HaleSandbox } from './hale-process.ts';

/** For a machine that does much else. */
const eventuallyMsMax = 60_000;
const small = ['-o', 'ring_size=8', '-o', 'logger.level=info'];

function sandboxOf(context: TestContext): HaleSandbox {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  return sandbox;
}

function jsonOf({ out, err, code }: Finished): Record<string, unknown> {
  assert.equal(code, 0, err);
  return JSON.parse(out) as Record<string, unknown>;
}

/** The HTTP addresses that `hale dev` prints. */
function devUrls(dev: HaleProcess): readonly string[] {
  return [...dev.out.matchAll(/^ {2}hale\d+ +(http:\S+)/gm)].map((match) => match[1]!);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** For what is asked again and again a process each time would be slow. */
async function overviewOf(node: HaleProcess): Promise<Overview> {
  return (await (await fetch(`${node.url}/admin/v1/cluster`)).json()) as Overview;
}

interface Overview {
  readonly members: readonly { readonly node: string; readonly status: string }[];
  readonly staged: readonly { readonly kind: string }[];
  readonly moves: Readonly<Record<string, number>>;
}

async function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + eventuallyMsMax;
  while (!(await isSo())) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('dev 3: three real nodes are one database, end together, and come back with their data', async (context) => {
  const sandbox = sandboxOf(context);
  const startedAt = performance.now();
  const dev = sandbox.hale(['dev', '3', '--dir', 'three', '-o', 'ring_size=16']);
  await dev.ready();
  context.diagnostic(`ready after ${Math.round(performance.now() - startedAt)} ms`);
  const urls = devUrls(dev);
  assert.equal(urls.length, 3);
  const [one, , three] = urls as [string, string, string];
  assert.equal((await sandbox.run(['put', 'b', 'k', 'value', '--at', one])).code, 0);
  assert.equal((await sandbox.run(['get', 'b', 'k', '--at', three])).out, 'value\n');

  const status = jsonOf(await sandbox.run(['cluster', 'status', '--json', '--at', three]));
  assert.equal(status.ring_size, 16);
  assert.deepEqual(status.moves, { planned: 0, copying: 0, switched: 0, released: 0 });
  const members = status.members as Record<string, unknown>[];
  assert.deepEqual(
    members.map(({ node, status: is, reachability }) => [node, is, reachability]),
    ['hale1', 'hale2', 'hale3'].map((name) => [`${name}@127.0.0.1`, 'valid', 'alive']),
  );
  const partitions = members.map((member) => member.partitions as number);
  assert.ok(Math.max(...partitions) - Math.min(...partitions) <= 1, `balanced: ${partitions.join(' ')}`);

  const shown = jsonOf(await sandbox.run(['status', '--json', '--at', one]));
  assert.deepEqual(shown.unreachable, []);
  assert.equal((shown.cluster as Record<string, unknown>).membership, 'valid');
  const pids = await Promise.all(
    urls.map(async (at) => jsonOf(await sandbox.run(['status', '--json', '--at', at])).pid as number),
  );

  dev.signal('SIGINT');
  const ended = await dev.finished();
  assert.equal(ended.code, 0, ended.err);
  assert.deepEqual(pids.filter(isRunning), []);

  const again = sandbox.hale(['dev', '--dir', 'three', '-o', 'ring_size=16']);
  await again.ready();
  assert.deepEqual(devUrls(again), urls);
  assert.equal((await sandbox.run(['get', 'b', 'k', '--at', three])).out, 'value\n');
  const { pid } = jsonOf(await sandbox.run(['status', '--json', '--at', three]));
  await again.kill();
  await eventually('the nodes outlive a supervisor that was killed', () => !isRunning(pid as number));
});

test('a node joins, is planned in, and leaves; each step says what it does', async (context) => {
  const sandbox = sandboxOf(context);
  const [one, two] = await Promise.all([
    sandbox.start('--name', 'one@127.0.0.1', '--data', 'one', ...small),
    sandbox.start('--name', 'two@127.0.0.1', '--data', 'two', ...small),
  ]);
  const at = (node: HaleProcess, ...args: readonly string[]) =>
    sandbox.run(['cluster', ...args, '--at', node.url]);

  const nothing = await at(one, 'plan');
  assert.equal(nothing.code, 9);
  assert.match(nothing.err, /^hale: .+\(nothing_planned\)\n$/);
  assert.equal((await at(one, 'leave', 'nobody@nowhere')).code, 9);
  assert.equal((await at(two, 'join', 'a b')).code, 2);
  assert.equal((await at(two, 'join', '127.0.0.1:1')).code, 12);

  const joined = await at(two, 'join', one.clusterAddress);
  assert.deepEqual([joined.code, joined.err], [0, '']);
  assert.equal((await at(two, 'join', one.clusterAddress)).code, 0, 'to join again is no error');
  const plan = jsonOf(await at(one, 'plan', '--json'));
  assert.deepEqual(plan.changes, [{ kind: 'join', node: 'two@127.0.0.1' }]);
  assert.equal((plan.moves as unknown[]).length, 4);
  assert.deepEqual(plan.problems, []);
  assert.equal(plan.plan_id, jsonOf(await at(two, 'plan', '--json')).plan_id, 'one plan, whoever is asked');
  const text = (await at(one, 'plan')).out;
  assert.match(text, /join two@127\.0\.0\.1/);
  assert.match(text, /4 partitions move/);
  assert.match(text, /lack distinct nodes/);

  // The world moves on: the plan that was looked at is not what would be committed.
  assert.equal((await at(one, 'location', 'rack-1', 'one@127.0.0.1')).code, 0);
  const outdated = await at(one, 'commit', '--plan', plan.plan_id as string);
  assert.equal(outdated.code, 11);
  assert.match(outdated.err, /\(plan_outdated\)/);

  const transfers = sandbox.hale(['cluster', 'transfers', '--watch', '--json', '--at', one.url]);
  const committed = await at(one, 'commit', '--wait', '120');
  assert.equal(committed.code, 0, committed.err);
  assert.match(committed.out, /^committed: 4 partitions to move.*\ndone\n$/);
  await eventually('a watcher sees what is', () => transfers.out.includes('\n'));
  transfers.signal('SIGINT');
  const views = (await transfers.finished()).out.trim().split('\n');
  assert.deepEqual(Object.keys(JSON.parse(views[0]!) as object), [
    'epoch',
    'moves',
    'transfers',
    'unlisted',
    'strays',
    'unanswered',
  ]);
  const ring = jsonOf(await at(two, 'ring', '--json'));
  const owners = (ring.partitions as { owner: string }[]).map(({ owner }) => owner);
  assert.equal(owners.filter((owner) => owner === 'two@127.0.0.1').length, 4);
  assert.match((await at(one, 'members')).out, /^two@127\.0\.0\.1 +valid +up +50\.0%/m);
  const risk = jsonOf(await sandbox.run(['ring', 'risk', '--failures', '1', '--json', '--at', one.url]));
  assert.deepEqual([risk.failures, risk.sets], [1, 2]);
  const aae = jsonOf(await sandbox.run(['aae', 'status', '--json', '--at', one.url]));
  assert.ok('totals' in aae && 'exchanges' in aae);

  const left = at(two, 'leave', '--wait', '120');
  await eventually('the leave is staged', async () =>
    (await overviewOf(one)).staged.some(({ kind }) => kind === 'leave'),
  );
  assert.match((await at(one, 'status')).out, /^staged +leave two@127\.0\.0\.1$/m);
  const waited = await at(one, 'commit', '--wait', '0');
  assert.equal(waited.code, 13, 'what takes longer than --wait allows is told apart');
  const leaving = await left;
  assert.equal(leaving.code, 0, `${leaving.err}${two.err}`);
  const gone = await two.finished();
  assert.equal(gone.code, 0, gone.err);
  assert.match(gone.out, /two@127\.0\.0\.1 has left the cluster/);
  const restarted = await sandbox.run(['start', '--name', 'two@127.0.0.1', '--data', 'two', ...small]);
  assert.equal(restarted.code, 14, restarted.err);
});

test('an ill cluster refuses with reasons; --force is logged; nodes that start with --join need nobody', async (context) => {
  const sandbox = sandboxOf(context);
  const one = await sandbox.start('--name', 'one@127.0.0.1', '--data', 'one', ...small);
  const join = ['--join', one.clusterAddress];
  const [two, three] = await Promise.all([
    sandbox.start('--name', 'two@127.0.0.1', '--data', 'two', ...join, ...small),
    sandbox.start('--name', 'three@127.0.0.1', '--data', 'three', ...join, ...small),
  ]);
  const at = (node: HaleProcess, ...args: readonly string[]) =>
    sandbox.run(['cluster', ...args, '--at', node.url]);
  await eventually('all are members, and nothing moves', async () => {
    const { members, moves } = await overviewOf(one);
    const isDone = members.length === 3 && members.every(({ status }) => status === 'valid');
    return isDone && Object.values(moves).every((count) => count === 0);
  });

  assert.equal((await at(one, 'down', 'three@127.0.0.1')).code, 0);
  assert.equal((await at(two, 'location', 'attic')).code, 0);
  const refused = await at(one, 'commit');
  assert.equal(refused.code, 10);
  assert.match(refused.err, /\(unhealthy\)\nhale: {3}three@127\.0\.0\.1 is marked down\n/);
  const forced = await at(one, 'commit', '--force');
  assert.equal(forced.code, 0, forced.err);
  assert.match(forced.err, /forced: three@127\.0\.0\.1 is marked down/);
  assert.match(one.err, /committed by force.*|inSpiteOf.*three@127\.0\.0\.1 is marked down/);
  assert.equal((await at(one, 'up', 'three@127.0.0.1')).code, 0);
  const [member] = (jsonOf(await at(one, 'members', '--json')).members as Record<string, unknown>[]).slice(
    -1,
  );
  assert.deepEqual([member!.node, member!.location, member!.status], ['two@127.0.0.1', 'attic', 'valid']);

  // A restart with --join asks nobody: it is a member.
  three.signal('SIGTERM');
  assert.equal((await three.finished()).code, 0);
  one.signal('SIGTERM');
  await one.finished();
  const again = await sandbox.start('--name', 'three@127.0.0.1', '--data', 'three', ...join, ...small);
  assert.equal((await overviewOf(again)).members.length, 3);
  // Two of three are a majority: the cluster is ill, and can still decide.
  await eventually('the survivors agree', async () => (await at(again, 'clear')).code === 0);
  const other = await sandbox.run([
    ...['start', '--name', 'other@127.0.0.1', '--data', 'other', '-o', 'ring_size=16'],
    ...['--http', '127.0.0.1:0', '--pb', '127.0.0.1:0', '--cluster', '127.0.0.1:0'],
    ...['--join', two.clusterAddress],
  ]);
  assert.equal(other.code, 9);
  assert.match(other.err, /cannot join the cluster: .+ \(ring_size\)\n$/);
});

test('what dev was told once it keeps: the ports stand beside the data', async (context) => {
  const sandbox = sandboxOf(context);
  const dev = sandbox.hale(['dev', '1', '--dir', 'one', '-o', 'ring_size=8']);
  await dev.ready();
  dev.signal('SIGTERM');
  assert.equal((await dev.finished()).code, 0);
  const record = JSON.parse(
    readFileSync(path.join(sandbox.directory, 'one', 'hale-dev.json'), 'utf8'),
  ) as Record<string, unknown>;
  assert.equal((record.nodes as unknown[]).length, 1);
  const fewer = await sandbox.run(['dev', '0', '--dir', 'one']);
  assert.equal(fewer.code, 2);
});
