/** Buckets in storage backends of their own, by both APIs, on a real disk. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Configuration, configurationWith } from '../config/index.ts';
import { NodeHttpServer, nodeEnvironment, silentLog } from '../runtime/index.ts';
import { byteLiteral } from '../stdx/index.ts';
import {
  decodeMessage,
  encodeFrame,
  FrameReader,
  rpbErrorResp,
  rpbGetBucketReq,
  rpbGetBucketResp,
  rpbSetBucketReq,
} from '../wire/index.ts';
import { type HaleNode, startNode } from './index.ts';

const anyPort = { host: '127.0.0.1', port: 0 };
const several: Partial<Configuration> = {
  storage_backend: 'multi',
  'multi_backend.backends': new Map([
    ['main', 'leveldb'],
    ['fast', 'memory'],
    ['big', 'log'],
  ] as const),
};

class Machine {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'hale-backends-'));
  readonly #environment = nodeEnvironment({
    dataDirectory: this.directory,
    log: silentLog,
    crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
  });
  node: HaleNode | undefined;

  constructor(context: TestContext) {
    context.after(async () => {
      await this.node?.stop();
      await this.#environment.close();
      rmSync(this.directory, { recursive: true });
    });
  }

  async start(changes: Partial<Configuration>): Promise<HaleNode> {
    await this.node?.stop();
    const configuration = configurationWith({
      'listener.http.internal': anyPort,
      'listener.protobuf.internal': anyPort,
      'listener.cluster.internal': 'off',
      ring_size: 8,
      delete_mode: 'immediate',
      ...changes,
    });
    this.node = await startNode(configuration, {
      environment: this.#environment,
      version: '0.0.0',
      dataDirectory: this.directory,
      http: new NodeHttpServer(silentLog),
    });
    return this.node;
  }

  async ask(method: string, target: string, body?: string): Promise<{ status: number; body: string }> {
    const url = `http://127.0.0.1:${this.node?.httpAddress?.port}${target}`;
    const headers: Record<string, string> =
      body === undefined ? {} : { 'Content-Type': 'application/json', 'x-riak-index-colour_bin': 'red' };
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, body: await answer.text() };
  }

  /** The code and bytes of the answer to one message. */
  pb(frame: Buffer): Promise<{ code: number; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const { host = '', port = 0 } = this.node?.protobufAddress ?? {};
      const socket = connect({ host, port }, () => socket.write(frame));
      const frames = new FrameReader(1_000_000);
      socket.on('error', reject);
      socket.on('data', (bytes: Buffer) => {
        frames.feed(bytes);
        if (!frames.next()) return;
        socket.destroy();
        resolve({ code: frames.code, body: Buffer.from(frames.bytes.subarray(frames.start, frames.end)) });
      });
    });
  }

  /** Sets a bucket's backend, and waits until what it has is there. */
  async place(bucket: string, backend: string): Promise<void> {
    const set = await this.ask('PUT', `/buckets/${bucket}/props`, JSON.stringify({ props: { backend } }));
    assert.equal(set.status, 204, set.body);
    await this.settled();
  }

  async settled(): Promise<void> {
    for (let i = 0; this.node?.status().storage_moving !== 0 && i < 1000; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.equal(this.node?.status().storage_moving, 0);
  }

  async keys(bucket: string): Promise<string[]> {
    const listed = JSON.parse((await this.ask('GET', `/buckets/${bucket}/keys?keys=true`)).body) as {
      keys: string[];
    };
    return listed.keys.toSorted();
  }

  async indexed(bucket: string): Promise<string[]> {
    const found = JSON.parse((await this.ask('GET', `/buckets/${bucket}/index/colour_bin/red`)).body) as {
      keys: string[];
    };
    return found.keys.toSorted();
  }

  async put(bucket: string, key: string): Promise<void> {
    const answer = await this.ask('PUT', `/buckets/${bucket}/keys/${key}`, `"${key}"`);
    assert.equal(answer.status, 204, answer.body);
  }
}

const three = ['k0', 'k1', 'k2'];

test('a bucket lives where its property says, moves with all that it has, and the rest stays', async (context) => {
  const machine = new Machine(context);
  await machine.start(several);
  for (const key of three) for (const bucket of ['kept', 'cached', 'logged']) await machine.put(bucket, key);
  await machine.place('cached', 'fast');
  await machine.place('logged', 'big');
  const shown = JSON.parse((await machine.ask('GET', '/buckets/logged/props')).body) as { props: object };
  assert.equal((shown.props as { backend?: string }).backend, 'big');
  for (const bucket of ['kept', 'cached', 'logged']) {
    assert.deepEqual(await machine.keys(bucket), three, bucket);
    assert.deepEqual(await machine.indexed(bucket), three, bucket);
    await machine.put(bucket, 'k3');
    assert.equal((await machine.ask('GET', `/buckets/${bucket}/keys/k3`)).body, '"k3"');
    assert.equal((await machine.ask('DELETE', `/buckets/${bucket}/keys/k3`)).status, 204);
    // The third of the replicas may not have heard yet.
    while ((await machine.keys(bucket)).includes('k3'))
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(await machine.keys(bucket), three, bucket);
  }
  const buckets = JSON.parse((await machine.ask('GET', '/buckets?buckets=true')).body) as {
    buckets: string[];
  };
  assert.deepEqual(buckets.buckets.toSorted(), ['cached', 'kept', 'logged']);

  await machine.start(several);
  assert.deepEqual(await machine.keys('kept'), three);
  assert.deepEqual(await machine.keys('logged'), three);
  assert.deepEqual(await machine.indexed('logged'), three);
  assert.deepEqual(await machine.keys('cached'), [], 'memory keeps nothing across a restart');
  await machine.put('cached', 'k9');
  assert.deepEqual(await machine.indexed('cached'), ['k9']);

  await assert.rejects(
    machine.start({}),
    /in the backends "(fast|big)", "(fast|big)": storage_backend must be "multi"/,
  );
  machine.node = undefined;
  await machine.start(several);
  await machine.place('logged', 'main');
  await machine.place('cached', 'main');
  await machine.start({});
  assert.deepEqual(await machine.keys('logged'), three, 'one engine again');
});

test('what one engine held is the default backend of several; types have backends; status and metrics tell', async (context) => {
  const machine = new Machine(context);
  await machine.start({});
  await machine.put('old', 'k');
  const node = await machine.start(several);
  assert.equal((await machine.ask('GET', '/buckets/old/keys/k')).body, '"k"');
  const made = await machine.ask(
    'POST',
    '/admin/v1/bucket-types/create',
    '{"name":"t","props":{"backend":"big"}}',
  );
  assert.equal(made.status, 200, made.body);
  assert.equal((await machine.ask('POST', '/admin/v1/bucket-types/activate', '{"name":"t"}')).status, 200);
  await machine.settled();
  assert.equal((await machine.ask('PUT', '/types/t/buckets/b/keys/k', '"v"')).status, 204);
  assert.equal((await machine.ask('GET', '/types/t/buckets/b/keys/k')).body, '"v"');
  const { storage, storage_backends: backends = {} } = node.status();
  assert.equal(storage, 'multi');
  assert.deepEqual(
    Object.entries(backends).map(([name, { engine, default: isDefault, named_by, health }]) => [
      name,
      engine,
      isDefault,
      named_by,
      health,
    ]),
    [
      ['main', 'leveldb', true, 0, 'healthy'],
      ['fast', 'memory', false, 0, 'healthy'],
      ['big', 'log', false, 1, 'healthy'],
    ],
  );
  const { text } = await node.metrics();
  assert.match(text, /^hale_storage_backend_batches_total\{backend="big"\} [1-9]/m);
  assert.match(text, /^hale_storage_backend_failing\{backend="main"\} 0$/m);
  assert.ok(existsSync(path.join(machine.directory, 'backend-big')));
  const without = new Map([...several['multi_backend.backends']!].filter(([name]) => name !== 'big'));
  const configuration = { ...several, 'multi_backend.backends': without };
  await assert.rejects(machine.start(configuration), /the backend "big" \(log\) holds data of this node/);
  machine.node = undefined;
});

test('an unknown backend is refused by name, over both APIs; so is a feed that would be forgotten', async (context) => {
  const machine = new Machine(context);
  await machine.start(several);
  const props = async (bucket: string, changed: object) => {
    const { status, body } = await machine.ask(
      'PUT',
      `/buckets/${bucket}/props`,
      JSON.stringify({ props: changed }),
    );
    return [status, body === '' ? undefined : (JSON.parse(body) as unknown)];
  };
  assert.deepEqual(await props('b', { backend: 'nowhere' }), [
    400,
    { backend: 'unknown_backend, known: main fast big' },
  ]);
  assert.deepEqual(await props('b', { backend: 7 }), [
    400,
    { backend: 'unknown_backend, known: main fast big' },
  ]);
  assert.deepEqual(await props('b', { backend: 'fast', feed: true }), [400, { backend: 'not_with_feed' }]);
  const bucket = byteLiteral('b');
  const set = (backend: string) =>
    machine.pb(encodeFrame(rpbSetBucketReq, { bucket, props: { backend: byteLiteral(backend) } }));
  const refused = await set('nowhere');
  assert.equal(refused.code, 0);
  assert.match(
    String(decodeMessage(rpbErrorResp, refused.body).errmsg),
    /\[\{backend,unknown_backend, known: main fast big\}\]/,
  );
  assert.equal((await set('big')).code, rpbSetBucketReq.code + 1);
  const got = await machine.pb(encodeFrame(rpbGetBucketReq, { bucket }));
  assert.equal(String(decodeMessage(rpbGetBucketResp, got.body).props.backend), 'big');
});
