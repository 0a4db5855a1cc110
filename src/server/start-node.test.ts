/** A node inside a process, on the real machine: no command line, ports only where asked. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Configuration, configurationWith, definitionOf } from '../config/index.ts';
import {
  defaultBucketProperties,
  type GetResult,
  type KeyValueStore,
  type PutResult,
  parsePropertyChanges,
} from '../kv/index.ts';
import { NodeHttpServer, nodeEnvironment, silentLog } from '../runtime/index.ts';
import { byteLiteral, bytesOfText } from '../stdx/index.ts';
import { openMemoryEngine } from '../storage/index.ts';
import { encodeFrame, rpbPingReq, rpbPutReq } from '../wire/index.ts';
import { type HaleNode, StartError, startNode } from './index.ts';
import { keyValueSettings } from './key-value-settings.ts';

const quiet: Partial<Configuration> = {
  'listener.http.internal': 'off',
  'listener.protobuf.internal': 'off',
  'listener.cluster.internal': 'off',
  ring_size: 8,
  drain_timeout: 2000,
};
const anyPort = { host: '127.0.0.1', port: 0 };

class Machine {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'hale-server-'));
  readonly #environment = nodeEnvironment({
    dataDirectory: this.directory,
    log: silentLog,
    crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
  });
  readonly #nodes: HaleNode[] = [];

  constructor(context: TestContext) {
    context.after(async () => {
      for (const node of this.#nodes) await node.stop();
      await this.#environment.close();
      rmSync(this.directory, { recursive: true });
    });
  }

  async start(changes: Partial<Configuration> = {}, withHttp = true): Promise<HaleNode> {
    const node = await startNode(configurationWith({ ...quiet, ...changes }), {
      environment: this.#environment,
      version: '0.0.0',
      dataDirectory: this.directory,
      ...(withHttp ? { http: new NodeHttpServer(silentLog) } : {}),
    });
    this.#nodes.push(node);
    return node;
  }
}

const address = {
  bucketType: byteLiteral('default'),
  bucket: bytesOfText('b'),
  key: bytesOfText('k'),
};
/** RpbContent: value, content_type. */
const content = Buffer.from([0x0a, 1, 0x78, 0x12, 10, ...Buffer.from('text/plain')]);

function put(store: KeyValueStore): Promise<PutResult> {
  return new Promise((resolve) => store.put({ ...address, content }, resolve));
}

function get(store: KeyValueStore): Promise<GetResult> {
  return new Promise((resolve) => store.get(address, resolve));
}

function isStartError(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof StartError && error.code === code && message.test(error.message);
}

test('a node without listeners serves its process, and keeps what it stored', async (context) => {
  const machine = new Machine(context);
  const node = await machine.start({}, false);
  assert.equal(node.httpAddress, undefined);
  assert.equal(node.protobufAddress, undefined);
  assert.equal((await put(node.store)).kind, 'stored');
  assert.equal(node.status().http, 'off');
  assert.equal(node.stats().node_puts_total, 1);
  await node.stop();
  await node.stopped;

  const again = await machine.start();
  assert.equal((await get(again.store)).kind, 'found');
});

test('a directory keeps the engine that it was made with', async (context) => {
  for (const [own, other] of [
    ['log', 'leveldb'],
    ['leveldb', 'log'],
  ] as const) {
    const machine = new Machine(context);
    const node = await machine.start({ storage_backend: own });
    assert.equal((await put(node.store)).kind, 'stored');
    await node.stop();
    const files = readdirSync(machine.directory);
    await assert.rejects(machine.start({ storage_backend: other }), (error) => {
      assert.ok(error instanceof StartError && error.code === 'configuration', String(error));
      assert.match(error.message, new RegExp(`start with storage_backend = "${own}"`));
      return true;
    });
    assert.deepEqual(readdirSync(machine.directory), files, 'nothing was made');
    const again = await machine.start({ storage_backend: own });
    assert.equal((await get(again.store)).kind, 'found');
  }
});

test('the memory engine needs no directory, and forgets', async (context) => {
  const environment = nodeEnvironment({ log: silentLog, crash: (activity) => assert.fail(activity) });
  context.after(() => environment.close());
  const configuration = configurationWith({ ...quiet, storage_backend: 'memory' });
  for (const expected of ['notfound', 'notfound']) {
    await using node = await startNode(configuration, { environment, version: '0.0.0' });
    assert.equal((await get(node.store)).kind, expected);
    assert.equal((await put(node.store)).kind, 'stored');
    assert.equal((await get(node.store)).kind, 'found');
    assert.equal(node.stats().storage_backend, 'memory');
  }
  const leveldb = startNode(configurationWith(quiet), { environment, version: '0.0.0' });
  await assert.rejects(leveldb, isStartError('configuration', /needs a data directory/));
});

test('stop is one stop, however often it is asked for; later requests are refused', async (context) => {
  const node = await new Machine(context).start();
  assert.equal(node.stop(), node.stop());
  assert.equal(node.status().state, 'stopping');
  await node.stopped;
  assert.deepEqual(await get(node.store), { kind: 'failed', error: { code: 'stopping' } });
});

test('a node that has stopped still says where it listened', async (context) => {
  const machine = new Machine(context);
  const node = await machine.start({
    'listener.http.internal': anyPort,
    'listener.protobuf.internal': anyPort,
  });
  const { http, protobuf } = node.status();
  assert.match(http, /^http:.*:[1-9]\d*$|^127.*:[1-9]\d*$/);
  await node.stop();
  assert.deepEqual([node.status().http, node.status().protobuf], [http, protobuf]);
});

test('data of another node, or of another ring, is refused and left closed', async (context) => {
  const machine = new Machine(context);
  await (await machine.start()).stop();
  await assert.rejects(
    machine.start({ nodename: 'x@y' }),
    isStartError('other-node', /belongs to node hale@127/),
  );
  await assert.rejects(machine.start({ ring_size: 16 }), isStartError('other-node', /ring of 8 partitions/));
  await (await machine.start()).stop();
});

test('what was opened before a failed listener is closed again', async (context) => {
  const machine = new Machine(context);
  const other = new Machine(context);
  const holder = await other.start({
    'listener.protobuf.internal': anyPort,
    'listener.http.internal': anyPort,
  });
  for (const [key, taken] of [
    ['listener.protobuf.internal', holder.protobufAddress!],
    ['listener.http.internal', holder.httpAddress!],
  ] as const) {
    const start = machine.start({ [key]: taken });
    await assert.rejects(start, isStartError('address', new RegExp(`:${taken.port} is in use; set ${key}`)));
  }
  const noSuch = { host: '192.0.2.1', port: 1 };
  await assert.rejects(
    machine.start({ 'listener.http.internal': noSuch }),
    isStartError('address', /192\.0\.2\.1:1 cannot be listened on/),
  );
  await assert.rejects(
    machine.start({ 'listener.http.internal': anyPort }, false),
    isStartError('configuration', /listener\.http\.internal must be "off" here/),
  );
  assert.equal((await put((await machine.start()).store)).kind, 'stored');
});

test('connections beyond protobuf.connections.maximum are closed at once', async (context) => {
  const node = await new Machine(context).start({
    'listener.protobuf.internal': anyPort,
    'protobuf.connections.maximum': 1,
  });
  const { port } = node.protobufAddress!;
  const ping = (socket: ReturnType<typeof connect>) =>
    new Promise<number[]>((resolve) => {
      socket.once('data', (chunk: Buffer) => resolve([...chunk]));
      socket.once('close', () => resolve([]));
      socket.on('error', () => undefined);
      socket.write(Buffer.from([0, 0, 0, 1, 1]));
    });
  const first = connect(port, '127.0.0.1');
  assert.deepEqual(await ping(first), [0, 0, 0, 1, 2]);
  assert.deepEqual(await ping(connect(port, '127.0.0.1')), []);
  assert.equal(node.status().connections.protobuf, 1);
  const closed = new Promise((resolve) => first.once('close', resolve));
  first.destroy();
  await closed;
  let answer: number[] = [];
  for (let attempt = 0; attempt < 100 && answer.length === 0; attempt += 1) {
    const next = connect(port, '127.0.0.1');
    answer = await ping(next);
    next.destroy();
  }
  assert.deepEqual(answer, [0, 0, 0, 1, 2]);
});

test('the configuration reaches the database', async () => {
  const settings = keyValueSettings(
    configurationWith({
      'buckets.default.n_val': 5,
      'buckets.default.r': 2,
      'buckets.default.w': 'all',
      'buckets.default.allow_mult': true,
      durability: 'os',
      delete_mode: 'keep',
      'object.size.maximum': 1024,
    }),
  );
  assert.equal(settings.bucketDefaults.n_val, 5);
  assert.equal(settings.bucketDefaults.r, 2);
  assert.equal(settings.bucketDefaults.w, 4294967292);
  assert.equal(settings.bucketDefaults.allow_mult, true);
  assert.equal(settings.bucketDefaults.durability, 'os');
  assert.equal(settings.deleteMode, 'keep');
  assert.equal(settings.objectBytesMax, 1024);
  assert.deepEqual(keyValueSettings(configurationWith({})).bucketDefaults, defaultBucketProperties);
});

test('a count of replicas that the configuration takes is one that a bucket takes, and no other', () => {
  for (const count of [0, 1, 64, 65]) {
    const configured = definitionOf('buckets.default.n_val').type.parse(String(count)).kind === 'ok';
    assert.equal('changes' in parsePropertyChanges({ n_val: count }), configured, `n_val ${count}`);
  }
});

test('a change of properties is not counted as a listing', async (context) => {
  const node = await new Machine(context).start();
  await node.store.setProperties(address, { allow_mult: true });
  await node.store.resetProperties(address);
  assert.equal(node.stats().list_fsm_create_total, 0);
  const keys = node.store.listKeys(address, {});
  assert.equal(await keys.next(), undefined);
  await keys.close();
  assert.equal(node.stats().list_fsm_create_total, 1);
});

test('a client that ends its side right after asking is answered', async (context) => {
  const machine = new Machine(context);
  const node = await machine.start({ 'listener.protobuf.internal': anyPort });
  const { host, port } = node.protobufAddress!;
  const socket = connect({ host, port, allowHalfOpen: true });
  const { bucket, key } = address;
  socket.end(Buffer.concat([encodeFrame(rpbPutReq, { bucket, key, content }), encodeFrame(rpbPingReq, {})]));
  let replies = '';
  for await (const chunk of socket) replies += (chunk as Buffer).toString('hex');
  assert.equal(replies, '000000010c0000000102');
});

test('A2: vnodes that a repair of the database may have set back take new ids', async (context) => {
  const machine = new Machine(context);
  const idsAfterPut = async (node: HaleNode): Promise<number> => {
    const result = await new Promise<PutResult>((resolve) =>
      node.store.put({ ...address, content, returnObject: 'head' }, resolve),
    );
    assert.ok(result.kind === 'stored' && result.object !== undefined);
    return new Set(result.object.clock.entries.map(({ actor }) => actor.slice(0, 8))).size;
  };
  const node = await machine.start();
  assert.equal(await idsAfterPut(node), 1);
  await node.stop();
  const again = await machine.start();
  assert.equal(await idsAfterPut(again), 1, 'a vnode keeps its id');
  await again.stop();
  const directory = path.join(machine.directory, 'leveldb');
  const manifest = readdirSync(directory).find((name) => name.startsWith('MANIFEST'));
  assert.ok(manifest !== undefined);
  writeFileSync(path.join(directory, manifest), Buffer.alloc(100, 0xff));
  const repaired = await machine.start();
  assert.equal(await idsAfterPut(repaired), 2);
  await repaired.stop();
  const markOfUnfinishedRepair = path.join(machine.directory, 'storage-repair');
  assert.ok(!existsSync(markOfUnfinishedRepair));
  writeFileSync(markOfUnfinishedRepair, '');
  assert.equal(await idsAfterPut(await machine.start()), 3);
  assert.ok(!existsSync(markOfUnfinishedRepair));
});

test('a stop that fails on the way still closes the engine, and says why', async (context) => {
  const environment = nodeEnvironment({ log: silentLog, crash: (activity) => assert.fail(activity) });
  context.after(() => environment.close());
  const engine = await openMemoryEngine({}, environment);
  const listener = { address: anyPort, connections: 0, destroy() {} };
  const http = {
    listen: () =>
      Promise.resolve({ ...listener, close: () => Promise.reject(new Error('the socket is gone')) }),
  };
  const parts = { environment, version: '0.0.0', engine, http };
  const node = await startNode(configurationWith({ ...quiet, 'listener.http.internal': anyPort }), parts);
  await assert.rejects(node.stop(), /the socket is gone/);
  await node.stopped;
  assert.throws(() => engine.get(Buffer.from('k')), { code: 'closed' });
});
