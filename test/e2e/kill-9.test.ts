/**
 * `kill -9` of a node under load, at random moments: of what it acknowledged nothing is missing or older
 * after the restart. What was not acknowledged may be there or not.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { byteLiteral } from '../../src/stdx/index.ts';
import { KeyHistory, SiblingHistory } from './acknowledged-writes.ts';
import { ConnectionLostError, FrameConnection } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { ObjectRequests } from './object-requests.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const run = new SeededRun('kill-9');
const kills = run.size(5, 100);
const killsPerTest = 5;
const loadMsMax = 500;
const startMsMax = 400;
const keysPerClient = 20;
const moveMsMax = 60_000;
const pipelineDepth = 16;
const siblingBucket = 'siblings';
/** Where others crowd the machine, a node must not refuse what a client insists on. */
const patience = ['-o', 'overload.turn_delay=10s', '-o', 'overload.request_delay=30s'];
const severalBackends = [
  ['storage_backend', 'multi'],
  ['multi_backend.default', 'main'],
  ['multi_backend.backends', 'main=leveldb, big=log'],
].flatMap(([key, value]) => ['-o', `${key}=${value}`]);

class Load {
  acknowledged = 0;
  #isKilled = false;
  readonly #pipelined = [0, 1, 2].map((client) => histories('pipelined', client));
  readonly #http = [0, 1, 2].map((client) => histories('http', client));
  readonly #siblings = [0, 1, 2].map((key) => new SiblingHistory(siblingBucket, `s${key}`));

  /** Kills the node so long after the first acknowledgement; resolves when every client has noticed. */
  async writeUntilKilled(node: HaleProcess, afterMs: number): Promise<void> {
    this.#isKilled = false;
    const clients = [
      ...this.#pipelined.map((keys) => this.#pipeline(node.protobufPort, keys)),
      ...this.#http.map((keys) => this.#request(node.url, keys)),
      this.#writeSiblings(node.protobufPort),
      this.#writeSiblings(node.protobufPort),
    ];
    const ended = Promise.all(clients.map((client) => client.catch((error) => this.#expectLoss(error))));
    const before = this.acknowledged;
    const untilKill = async (): Promise<void> => {
      while (this.acknowledged === before) await sleep(1);
      await sleep(afterMs);
    };
    try {
      await Promise.race([untilKill(), ended]);
    } finally {
      // Nor does anybody write on after a client has failed.
      this.#isKilled = true;
      await node.kill();
    }
    await ended;
  }

  async check(node: HaleProcess): Promise<void> {
    using protobuf = await FrameConnection.connect(node.protobufPort);
    using http = new ObjectRequests(node.url);
    for (const history of [...this.#pipelined, ...this.#http].flat()) {
      if (run.chance(50)) {
        const { values } = await protobuf.get(history.bucket, history.key);
        assert.ok(values.length <= 1, 'one value');
        history.check(values[0]);
      } else {
        const { status, body } = await http.get(history.bucket, history.key);
        assert.ok(status === 200 || status === 404, `${status} ${body.toString()}`);
        history.check(status === 200 ? body : undefined);
      }
    }
    for (const history of this.#siblings) {
      history.check((await protobuf.get(history.bucket, history.key)).values);
    }
  }

  /** Several requests in flight, also on one key. */
  async #pipeline(port: number, keys: readonly KeyHistory[]): Promise<void> {
    using connection = await FrameConnection.connect(port);
    const worker = async (): Promise<void> => {
      while (!this.#isKilled) {
        const history = run.pick(keys);
        const { number, value } = history.nextPut();
        await connection.put(history.bucket, history.key, value);
        history.acknowledged(number);
        this.acknowledged += 1;
      }
    };
    await Promise.all(Array.from({ length: pipelineDepth }, worker));
  }

  /** One request at a time, since a delete without a context is a read and then a write. */
  async #request(url: string, keys: readonly KeyHistory[]): Promise<void> {
    using http = new ObjectRequests(url);
    while (!this.#isKilled) {
      const history = run.pick(keys);
      const isDelete = run.chance(20);
      const put = isDelete ? undefined : history.nextPut();
      const number = put?.number ?? history.nextDelete();
      const { status } =
        put === undefined
          ? await http.delete(history.bucket, history.key)
          : await http.put(history.bucket, history.key, put.value);
      assert.ok(status === 204 || (isDelete && status === 404), `status ${status}`);
      history.acknowledged(number);
      this.acknowledged += 1;
    }
  }

  async #writeSiblings(port: number): Promise<void> {
    using connection = await FrameConnection.connect(port);
    while (!this.#isKilled) {
      const history = run.pick(this.#siblings);
      const read = run.chance(50) ? await connection.get(history.bucket, history.key) : undefined;
      const { number, value } = history.nextPut(read?.values ?? []);
      await connection.put(history.bucket, history.key, value, read?.context);
      history.acknowledged(number);
      this.acknowledged += 1;
    }
  }

  #expectLoss(error: unknown): void {
    if (!(this.#isKilled && error instanceof ConnectionLostError)) throw error;
  }
}

function histories(kind: string, client: number): KeyHistory[] {
  return Array.from({ length: keysPerClient }, (_, key) => new KeyHistory(kind, `c${client}k${key}`));
}

for (const storage of ['one engine', 'several'] as const) {
  test(`${kills} kills: no acknowledged write is missing or older than acknowledged; storage: ${storage}`, (context) =>
    killAndCheckOften(context, storage));
}

async function killAndCheckOften(context: TestContext, storage: 'one engine' | 'several'): Promise<void> {
  const always = storage === 'several' ? [...patience, ...severalBackends] : patience;
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  const load = new Load();
  const first = await sandbox.start(...always);
  {
    using connection = await FrameConnection.connect(first.protobufPort);
    await connection.setBucket(siblingBucket, { allow_mult: true });
  }
  let node = first;
  const killAndCheck = async (): Promise<void> => {
    if (storage === 'several') await moveBucket(node);
    const acknowledged = load.acknowledged;
    await load.writeUntilKilled(node, run.below(loadMsMax));
    context.diagnostic(`${load.acknowledged - acknowledged} writes acknowledged before the kill`);
    if (run.chance(25)) await killWhileStarting(sandbox, always);
    // A small write buffer: the kill meets the engine as it writes and merges its files.
    const settings = run.chance(60) ? ['-o', 'leveldb.write_buffer_size=64KB'] : [];
    // Without a sync the operating system has the writes, and outlives the process.
    if (run.chance(30)) settings.push('-o', 'durability=os');
    node = await sandbox.start(...always, ...settings);
    await load.check(node);
  };
  for (let killed = 0; killed < kills; killed += killsPerTest) {
    const title = `kills ${killed + 1} to ${killed + killsPerTest}`;
    await context.test(title, async () => {
      for (let kill = 0; kill < killsPerTest; kill += 1) await killAndCheck();
    });
  }
  if (storage === 'several') {
    await moveAll(node);
    await load.check(node);
  }
  assert.ok(load.acknowledged > 10 * kills, `only ${load.acknowledged} writes were acknowledged`);
}

/** Its entries move while the load writes them, and some have moved when the node is killed. */
async function moveBucket(node: HaleProcess): Promise<void> {
  using connection = await FrameConnection.connect(node.protobufPort);
  const bucket = run.pick(['pipelined', 'http', siblingBucket]);
  await connection.setBucket(bucket, { backend: byteLiteral(run.pick(['main', 'big'])) });
}

/** To the one backend and then to the other, so that everything has moved once at least. */
async function moveAll(node: HaleProcess): Promise<void> {
  const movedBefore = await gauge(node, 'hale_storage_moved_entries_total');
  using connection = await FrameConnection.connect(node.protobufPort);
  for (const backend of ['main', 'big']) {
    for (const bucket of ['pipelined', 'http', siblingBucket]) {
      await connection.setBucket(bucket, { backend: byteLiteral(backend) });
    }
    for (
      const end = Date.now() + moveMsMax;
      (await gauge(node, 'hale_storage_moving_buckets')) > 0;
      await sleep(50)
    ) {
      assert.ok(Date.now() < end, `not everything has moved to ${backend}`);
    }
  }
  assert.ok((await gauge(node, 'hale_storage_moved_entries_total')) > movedBefore);
}

async function gauge(node: HaleProcess, name: string): Promise<number> {
  const text = await (await fetch(`${node.url}/admin/v1/metrics`)).text();
  const line = new RegExp(`^${name} (\\d+)$`, 'm').exec(text);
  assert.ok(line !== null, name);
  return Number(line[1]);
}

async function killWhileStarting(sandbox: HaleSandbox, settings: readonly string[]): Promise<void> {
  const starting = sandbox.hale(['start', '--http', '127.0.0.1:0', '--pb', '127.0.0.1:0', ...settings]);
  await sleep(run.below(startMsMax));
  await starting.kill();
}
