/** `hale start --nodes`: several nodes of one machine behind one set of ports, as real processes. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';

/** An address that no other test listens on, so that all ports are free. */
const host = '127.19.241.1';
const publicUrl = `http://${host}:8098`;
const ownUrls = [`http://${host}:8108`, `http://${host}:8118`];
const waitMsMax = 20_000;

function sandboxOf(context: TestContext): HaleSandbox {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  return sandbox;
}

/** Without a count: as many as were started there before. */
function startHost(sandbox: HaleSandbox, count?: number | 'auto'): HaleProcess {
  const listeners = [`--http=${host}:8098`, `--pb=${host}:8087`, `--cluster=${host}:8099`];
  return sandbox.hale([
    ...['start', '--supervised', '--name', `hale@${host}`, '--data', 'data'],
    ...(count === undefined ? [] : ['--nodes', `${count}`]),
    ...listeners,
    ...['-o', 'ring_size=8', '-o', 'logger.level=warning'],
  ]);
}

async function eventually(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + waitMsMax;
  while (!(await isSo().catch(() => false))) {
    assert.ok(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Processes whose parent is this one. Linux tells it. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((child) => {
      try {
        const stat = readFileSync(`/proc/${child}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    });
}

async function nodeThatAnswers(): Promise<string> {
  const response = await fetch(`${publicUrl}/stats`, { headers: { connection: 'close' } });
  return ((await response.json()) as { nodename: string }).nodename;
}

async function ownPings(): Promise<boolean> {
  const pings = await Promise.all(ownUrls.map((url) => fetch(`${url}/ping`)));
  return pings.every(({ status }) => status === 200);
}

async function put(key: string, value: string): Promise<number> {
  const headers = { 'content-type': 'text/plain', connection: 'close' };
  const request = { method: 'PUT', headers, body: value, signal: AbortSignal.timeout(waitMsMax) };
  const send = (): Promise<Response> => fetch(`${publicUrl}/buckets/b/keys/${key}`, request);
  // A connection that a dying node was about to get is closed; as clients do, it is tried once more.
  return (await send().catch(send)).status;
}

async function get(key: string): Promise<string> {
  const headers = { connection: 'close' };
  return await (await fetch(`${publicUrl}/buckets/b/keys/${key}`, { headers })).text();
}

interface Overview {
  readonly members: readonly { readonly location: string; readonly status: string }[];
  readonly moves: Readonly<Record<string, number>>;
}

test('two nodes of one host: both answer at one address, the dead is started again, the data stays', async (context) => {
  const sandbox = sandboxOf(context);
  const first = startHost(sandbox, 2);
  await first.ready();
  const answering = new Set<string>();
  for (let i = 0; i < 4; i += 1) answering.add(await nodeThatAnswers());
  assert.deepEqual([...answering].sort(), [`hale-2@${host}`, `hale@${host}`], 'in turn');
  await eventually('both are full members, at one location', async () => {
    const { members, moves } = (await (await fetch(`${ownUrls[0]}/admin/v1/cluster`)).json()) as Overview;
    assert.deepEqual(new Set(members.map(({ location }) => location)), new Set([host]));
    return (
      members.every(({ status }) => status === 'valid') && Object.values(moves).every((count) => count === 0)
    );
  });

  for (let i = 0; i < 10; i += 1) assert.equal(await put(`k${i}`, `v${i}`), 204);

  const before = childrenOf(first.pid);
  assert.equal(before.length, 2);
  process.kill(before[0]!, 'SIGKILL');
  for (let i = 10; i < 20; i += 1) assert.equal(await put(`k${i}`, `v${i}`), 204, 'the other goes on');
  await eventually(
    'the dead one is back',
    async () => childrenOf(first.pid).length === 2 && (await ownPings()),
  );
  assert.ok(!childrenOf(first.pid).includes(before[0]!));
  for (let i = 0; i < 10; i += 1) assert.equal(await get(`k${i}`), `v${i}`);
  // Two of three replicas may be on the node that was away: until it has what it missed it may not know these.
  for (let i = 10; i < 20; i += 1) {
    await eventually(`k${i} is where it belongs`, async () => (await get(`k${i}`)) === `v${i}`);
  }

  first.signal('SIGINT');
  const stopped = await first.finished();
  assert.equal(stopped.code, 0, stopped.err);
  assert.deepEqual(
    stopped.err.split('\n').filter((line) => line.startsWith('hale:')).length,
    1,
    'one death was told',
  );

  const fewer = await sandbox.run(['start', '--nodes', '1', '--data', 'data', '--name', `hale@${host}`]);
  assert.equal(fewer.code, 2, fewer.err);
  assert.match(fewer.err, /holds 2 nodes/);

  const again = startHost(sandbox);
  await again.ready();
  assert.equal(childrenOf(again.pid).length, 2, 'as many as there were');
  for (let i = 0; i < 20; i += 1) assert.equal(await get(`k${i}`), `v${i}`);
  const nodes = childrenOf(again.pid);
  again.signal('SIGKILL');
  await again.finished();
  await eventually('nodes stop when nobody is left to keep them', async () =>
    nodes.every((pid) => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    }),
  );
});

test('a single node with its data grows to two of its host', async (context) => {
  const sandbox = sandboxOf(context);
  const alone = sandbox.hale([
    ...['start', '--supervised', '--name', `hale@${host}`, '--data', path.join('data')],
    ...[`--http=${host}:8098`, `--pb=${host}:8087`, `--cluster=${host}:8099`, '-o', 'ring_size=8'],
  ]);
  await alone.ready();
  assert.equal(await put('old', 'data'), 204);
  alone.signal('SIGTERM');
  assert.equal((await alone.finished()).code, 0);
  const two = startHost(sandbox, 2);
  await two.ready();
  for (let i = 0; i < 4; i += 1) assert.equal(await get('old'), 'data');
  two.signal('SIGTERM');
  assert.equal((await two.finished()).code, 0);
});

const cores = availableParallelism();
const tooMany = cores > 8 ? `each of ${cores} cores would have a node` : false;

test('auto: a node for each core', { skip: tooMany }, async (context) => {
  const sandbox = sandboxOf(context);
  const nodes = startHost(sandbox, 'auto');
  await nodes.ready();
  assert.equal(childrenOf(nodes.pid).length, cores);
  nodes.signal('SIGTERM');
  assert.equal((await nodes.finished()).code, 0);
});

test('what cannot be is refused before anything starts', async (context) => {
  const sandbox = sandboxOf(context);
  const memory = await sandbox.run(['start', '--nodes', '2', '-o', 'storage_backend=memory']);
  assert.deepEqual([memory.code, memory.err], [3, 'hale: several nodes need a storage that outlives them\n']);
  const count = await sandbox.run(['start', '--nodes', '0']);
  assert.equal(count.code, 2);
  const portless = await sandbox.run(['start', '--nodes', '2', '--cluster', 'off']);
  assert.equal(portless.code, 3, portless.err);
});
