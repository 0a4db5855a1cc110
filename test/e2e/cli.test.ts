/** The `hale` command, as real processes with real sockets and disks. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { HaleSandbox } from './hale-process.ts';

function sandboxOf(context: TestContext): HaleSandbox {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  return sandbox;
}

test('a node starts, serves, says how it is, and stops when told', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start('--name', 'one@127.0.0.1');
  const env = { HALE_AT: node.url };
  assert.match(node.out, /curl -X PUT http:/);

  assert.deepEqual(await sandbox.run(['put', 'b', 'k', 'value'], env).then(({ out }) => out), 'ok\n');

  assert.equal((await sandbox.run(['ping'], env)).out, 'pong\n');
  assert.equal((await sandbox.run(['get', 'b', 'k'], env)).out, 'value\n');
  assert.equal((await sandbox.run(['get', 'b', 'k', '--at', node.url])).out, 'value\n');

  const status = await sandbox.run(['status', '--json'], env);
  const shown = JSON.parse(status.out) as Record<string, unknown>;
  assert.equal(shown.node, 'one@127.0.0.1');
  assert.equal(shown.pid, node.pid);
  assert.equal(shown.storage_health, 'healthy');
  assert.match((await sandbox.run(['status'], env)).out, /^ring size +256$/m);

  const stop = await sandbox.run(['stop'], env);
  assert.deepEqual([stop.code, stop.out], [0, 'stopped\n']);
  assert.equal((await node.finished()).code, 0);
  const ping = await sandbox.run(['ping'], env);
  assert.equal(ping.code, 7);
  assert.match(ping.err, /^hale: no node answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\)\n$/);
});

test('values: standard input, JSON, content types, deletes, siblings and bad types', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start('-o', 'buckets.default.allow_mult=true');
  const env = { HALE_AT: node.url };
  const put = await sandbox.hale(['put', 'b ü/%', 'k?#', '-'], env).input('from stdin').finished();
  assert.equal(put.code, 0, put.err);
  assert.equal((await sandbox.run(['get', 'b ü/%', 'k?#'], env)).out, 'from stdin\n');

  assert.equal((await sandbox.run(['put', 'b', 'j', '{"a":1}', '--json'], env)).code, 0);
  const got = JSON.parse((await sandbox.run(['get', 'b', 'j', '--json'], env)).out) as Record<
    string,
    unknown
  >;
  assert.deepEqual(got.values, [{ contentType: 'application/json', value: { a: 1 } }]);
  const notJson = await sandbox.run(['put', 'b', 'j', '{', '--json'], env);
  assert.deepEqual([notJson.code, notJson.err], [2, 'hale: the value is not JSON\n']);

  const url = `${node.url}/buckets/b/keys/s`;
  for (const body of ['one', 'two']) {
    await fetch(url, { method: 'PUT', headers: { 'content-type': 'text/plain' }, body });
  }
  const siblings = await sandbox.run(['get', 'b', 's'], env);
  assert.deepEqual(siblings.out.trim().split('\n').sort(), ['one', 'two']);
  assert.match(siblings.err, /2 siblings/);
  assert.equal((await sandbox.run(['put', 'b', 's', 'three'], env)).code, 0);
  assert.equal((await sandbox.run(['get', 'b', 's'], env)).out, 'three\n');

  assert.equal((await sandbox.run(['del', 'b', 's'], env)).out, 'ok\n');
  const gone = await sandbox.run(['get', 'b', 's'], env);
  assert.deepEqual([gone.code, gone.out, gone.err], [8, '', 'hale: not found\n']);
  const again = await sandbox.run(['del', 'b', 's'], env);
  assert.deepEqual([again.code, again.out, again.err], [8, '', 'hale: not found\n']);
  assert.equal((await sandbox.run(['del', 'b', 'never'], env)).code, 8);

  const badType = await sandbox.run(['get', 'b', 'k', '--type', 'nowhere'], env);
  assert.notEqual(badType.code, 0);
  assert.match(badType.err, /^hale: .+\n$/);
});

test('TERM drains: a request in progress is answered, the data is there afterwards, and exit is 0', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start();
  const url = new URL(`${node.url}/buckets/b/keys/slow`);
  const answer = new Promise<number | undefined>((resolve, reject) => {
    const headers = { 'content-type': 'text/plain', 'content-length': 8 };
    const outgoing = request(url, { method: 'PUT', headers }, (incoming) => {
      incoming.resume();
      resolve(incoming.statusCode);
    });
    outgoing.on('error', reject);
    outgoing.write('half');
    setTimeout(() => node.signal('SIGTERM'), 150);
    setTimeout(() => outgoing.end('half'), 400);
  });
  assert.equal(await answer, 204);
  const { code, err } = await node.finished();
  assert.deepEqual([code, node.loggedErrors], [0, []]);
  assert.doesNotMatch(err, /cut off|^hale:/m);
  const again = await sandbox.start();
  assert.equal((await sandbox.run(['get', 'b', 'slow', '--at', again.url])).out, 'halfhalf\n');
  again.signal('SIGINT');
  assert.equal((await again.finished()).code, 0);
});

test('a second signal ends a node that is draining at once', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start('-o', 'drain_timeout=1m');
  const outgoing = request(`${node.url}/buckets/b/keys/k`, {
    method: 'PUT',
    headers: { 'content-type': 'text/plain', 'content-length': 8 },
  });
  outgoing.on('error', () => undefined);
  outgoing.write('half');
  await new Promise((resolve) => setTimeout(resolve, 150));
  node.signal('SIGTERM');
  await new Promise((resolve) => setTimeout(resolve, 150));
  node.signal('SIGTERM');
  assert.equal((await node.finished()).code, 143);
});

test('a request that outlasts drain_timeout is cut off, and the node still stops in order', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start('-o', 'drain_timeout=200ms');
  const outgoing = request(`${node.url}/buckets/b/keys/k`, {
    method: 'PUT',
    headers: { 'content-type': 'text/plain', 'content-length': 8 },
  });
  const cut = new Promise((resolve) => outgoing.on('error', resolve));
  outgoing.write('half');
  await new Promise((resolve) => setTimeout(resolve, 150));
  node.signal('SIGTERM');
  await cut;
  const { code, err } = await node.finished();
  assert.equal(code, 0);
  assert.match(err, /requests in progress were cut off/);
});

test('what was acknowledged before kill -9 is there after a start', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start();
  assert.equal((await sandbox.run(['put', 'b', 'k', 'kept', '--at', node.url])).code, 0);
  node.signal('SIGKILL');
  await node.finished();
  const again = await sandbox.start();
  assert.equal((await sandbox.run(['get', 'b', 'k', '--at', again.url])).out, 'kept\n');
});

test('the memory engine leaves no trace on the disk', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start('-o', 'storage_backend=memory');
  assert.equal((await sandbox.run(['put', 'b', 'k', 'v', '--at', node.url])).code, 0);
  assert.equal((await sandbox.run(['get', 'b', 'k', '--at', node.url])).out, 'v\n');
  assert.ok(!existsSync(path.join(sandbox.directory, 'data')));
});

test('both protocols serve the port that they name', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start();
  const socket = connect(node.protobufPort, '127.0.0.1');
  // RpbPingReq, and RpbPingResp.
  socket.end(Buffer.from([0, 0, 0, 1, 1]));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.deepEqual([...Buffer.concat(chunks)], [0, 0, 0, 1, 2]);
  const stats = (await (await fetch(`${node.url}/stats`)).json()) as Record<string, unknown>;
  assert.equal(stats.pbc_connects_total, 1);
  assert.equal(stats.nodename, 'hale@127.0.0.1');
  const metrics = await fetch(`${node.url}/admin/v1/metrics`);
  assert.match(await metrics.text(), /^hale_protobuf_connects_total 1$/m);
});

test('a port in use: exit 4, one line', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start();
  for (const [flag, port] of [
    ['--http', new URL(node.url).port],
    ['--pb', String(node.protobufPort)],
  ] as const) {
    const args = [
      'start',
      '--http',
      '127.0.0.1:0',
      '--pb',
      '127.0.0.1:0',
      '--data',
      'other',
      flag,
      `127.0.0.1:${port}`,
    ];
    const { code, err, out } = await sandbox.run([...args, '--log-level', 'none']);
    assert.equal(code, 4);
    assert.match(
      err,
      new RegExp(
        `^hale: 127\\.0\\.0\\.1:${port} is in use; set listener\\.\\w+\\.internal to another address\\n$`,
      ),
    );
    assert.equal(out, '');
  }
});

test('a data directory in use, or of another node or ring: exit 5, one line', async (context) => {
  const sandbox = sandboxOf(context);
  const ports = ['--http', '127.0.0.1:0', '--pb', '127.0.0.1:0'];
  const node = await sandbox.start('--name', 'one@127.0.0.1');
  const inUse = await sandbox.run(['start', ...ports]);
  assert.equal(inUse.code, 5);
  assert.match(
    inUse.err,
    new RegExp(`^hale: data directory .+ is in use by node one@127\\.0\\.0\\.1 in process ${node.pid}\\n$`),
  );
  node.signal('SIGTERM');
  await node.finished();

  const otherNode = await sandbox.run(['start', ...ports, '--name', 'two@127.0.0.1']);
  assert.equal(otherNode.code, 5);
  assert.match(
    otherNode.err,
    /^hale: the data belongs to node one@127\.0\.0\.1, not two@127\.0\.0\.1; .+\n$/,
  );
  const otherRing = await sandbox.run(['start', ...ports, '--name', 'one@127.0.0.1', '-o', 'ring_size=64']);
  assert.equal(otherRing.code, 5);
  assert.match(otherRing.err, /^hale: the data is of a ring of 256 partitions, and ring_size is 64; .+\n$/);
});

test('a data directory that cannot be used: exit 6, one line', async (context) => {
  const sandbox = sandboxOf(context);
  writeFileSync(path.join(sandbox.directory, 'file'), 'not a directory');
  const { code, err } = await sandbox.run(['start', '--data', 'file']);
  assert.equal(code, 6);
  assert.match(err, /^hale: cannot use data directory .+\n$/);

  const foreign = path.join(sandbox.directory, 'foreign', 'leveldb');
  mkdirSync(foreign, { recursive: true });
  writeFileSync(path.join(foreign, 'CURRENT'), 'nonsense');
  const damaged = await sandbox.run([
    'start',
    '--data',
    'foreign',
    '--http',
    '127.0.0.1:0',
    '--pb',
    '127.0.0.1:0',
  ]);
  assert.equal(damaged.code, 6);
  // The log told before that it tried to repair.
  assert.match(damaged.err, /\nhale: nothing of the database in .+ can be read; .+\n$/);
});

test('the configuration: every problem a line, exit 3; nothing is started', async (context) => {
  const sandbox = sandboxOf(context);
  const text = 'ring_size = 100\nlistener.http.internal = 127.0.0.1:8098\n[storage_backnd]\nx = 1\n';
  writeFileSync(path.join(sandbox.directory, 'bad.conf'), text);
  const bad = await sandbox.run(['start', '--config', 'bad.conf'], {
    HALE_DURABILITY: 'maybe',
    HALE_RINGSIZE: '8',
  });
  assert.equal(bad.code, 3);
  assert.deepEqual(bad.err.trimEnd().split('\n'), [
    'hale: bad.conf:2: the value must be quoted: listener.http.internal = "127.0.0.1:8098"',
    'hale: HALE_RINGSIZE: is no variable of Hale; did you mean HALE_RING_SIZE?',
    'hale: bad.conf:1: ring_size = "100": must be a power of two from 8 to 1024',
    'hale: bad.conf:4: storage_backnd.x is not a key; did you mean storage_backend?',
    'hale: HALE_DURABILITY: durability = "maybe": must be one of "synced", "os"',
  ]);
  assert.ok(!existsSync(path.join(sandbox.directory, 'data')));

  const missing = await sandbox.run(['start', '--config', 'nowhere.conf']);
  assert.deepEqual(
    [missing.code, missing.err],
    [3, 'hale: cannot read configuration file nowhere.conf: ENOENT\n'],
  );
});

test('precedence on the machine: file, environment, flags', async (context) => {
  const sandbox = sandboxOf(context);
  writeFileSync(
    path.join(sandbox.directory, 'hale.conf'),
    'ring_size = 8\ndurability = "os"\nnodename = "f@h"\n',
  );
  const env = { HALE_RING_SIZE: '16', HALE_DURABILITY: 'synced' };
  const effective = await sandbox.run(['config', 'effective', '--pb', '[::1]:0', '-o', 'ring_size=32'], env);
  assert.equal(effective.code, 0, effective.err);
  assert.match(effective.out, /^ring_size = 32 {2}# -o$/m);
  assert.match(effective.out, /^durability = "synced" {2}# HALE_DURABILITY$/m);
  assert.match(effective.out, /^nodename = "f@h" {2}# hale\.conf:3$/m);
  assert.match(effective.out, /^listener\.protobuf\.internal = "\[::1\]:0" {2}# --pb$/m);
  assert.match(effective.out, /^storage_backend = "leveldb"$/m);
});

test('a generated file is one that a node takes', async (context) => {
  const sandbox = sandboxOf(context);
  const generated = await sandbox.run(['config', 'generate', '-o', 'ring_size=64']);
  writeFileSync(path.join(sandbox.directory, 'my.conf'), generated.out);
  const node = await sandbox.start('--config', 'my.conf');
  const config = (await (await fetch(`${node.url}/admin/v1/config`)).json()) as Record<string, unknown>;
  assert.equal(config.ring_size, '64');
});

test('the command line: usage errors are one line and exit 2; help and version exit 0', async (context) => {
  const sandbox = sandboxOf(context);
  for (const [args, line] of [
    [['strat'], /^hale: unknown command 'strat'.* \(Did you mean start\?\); see hale --help\n$/],
    [['start', '--prot', '1'], /^hale: unknown option '--prot'.*; see hale start --help\n$/],
    [['get', 'b'], /^hale: missing required argument 'KEY'; see hale get --help\n$/],
    [['get', '', 'k'], /^hale: BUCKET and KEY must not be empty\n$/],
    [
      ['stop', '--wait', 'long'],
      /^hale: option '--wait <SECONDS>' argument 'long' is invalid\. .+; see hale stop --help\n$/,
    ],
    [['ping', '--at', 'ftp://x'], /^hale: --at ftp:\/\/x: must be http:\/\/HOST:PORT\n$/],
    [['config', 'describe', 'ringsize'], /^hale: ringsize is not a key; did you mean ring_size\?\n$/],
    [[], /^hale: a command is missing; see hale --help\n$/],
  ] as const) {
    const { code, err, out } = await sandbox.run(args);
    assert.deepEqual([code, out], [2, ''], args.join(' '));
    assert.match(err, line);
  }
  const help = await sandbox.run(['start', '--help']);
  assert.equal(help.code, 0);
  for (const flag of ['--name', '--data', '--pb', '--http', '--cluster', '--config', '-o', '--log-level']) {
    assert.ok(help.out.includes(flag), flag);
  }
  assert.match((await sandbox.run(['--help'])).out, /^ {2}8 {2}the object was not found$/m);
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  assert.equal((await sandbox.run(['version'])).out, `hale ${version}\n`);
  assert.match((await sandbox.run(['config', 'describe', 'ring_size'])).out, /power of two from 8 to 1024/);
  assert.match((await sandbox.run(['config', 'describe', 'leveldb'])).out, /leveldb\.cache_size/);
});

test('administration refuses what a web page could send', async (context) => {
  const sandbox = sandboxOf(context);
  const node = await sandbox.start();
  const statusWith = (headers: Record<string, string>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const outgoing = request(`${node.url}/admin/v1/stop`, { method: 'POST', headers }, (incoming) => {
        incoming.resume();
        resolve(incoming.statusCode);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  assert.equal(await statusWith({ origin: 'http://example.org' }), 403);
  assert.equal(await statusWith({ host: 'rebound.example.org' }), 403);
  assert.equal((await sandbox.run(['ping', '--at', node.url])).code, 0);
});
