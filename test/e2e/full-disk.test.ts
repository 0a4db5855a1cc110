/**
 * A disk that fills up under a node: writes become clear errors, reads go on, nothing acknowledged is
 * lost, and when space returns writes work again by themselves.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { ErrorReply, FrameConnection } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { ObjectRequests } from './object-requests.ts';
import { SeededRun, sleep } from './seeded-run.ts';

const megabyte = 2 ** 20;
const run = new SeededRun('full-disk');
const rounds = run.size(1, 10);
const diskBytes = 256 * megabyte;
/** Written by a test before the disk is full. */
const fillBytes = 12 * megabyte;
const keysMax = 400;
/** Too little for a node to go on with, enough to tempt it. */
const crumbBytes = 5 * megabyte;
const crumbMs = run.size(1500, 10_000);
/** What a refused write says, over either protocol. */
const refusal = /^storage: .*no space left on device/i;
/** The engine tries again at least every five seconds. */
const recoveryMsMax = 15_000;
const readGapMsMax = 1000;
const bucket = 'disk';
const putsMax = 5000;
const pipelineDepth = 8;

/** A file system that is small, where this process may mount one. */
class SmallDisk {
  readonly directory: string;
  #ballasts = 0;

  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'hale-test', directory], {
      stdio: 'pipe',
    });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  /** Gives back all that was occupied. */
  release(): void {
    for (let number = 0; number < this.#ballasts; number += 1) rmSync(this.#ballast(number), { force: true });
  }

  unmount(): void {
    execFileSync('umount', [this.directory]);
  }

  #ballast(number: number): string {
    return path.join(this.directory, `ballast-${number}`);
  }

  /** Takes space away, until the file that it names is removed. */
  occupy(bytes: number): string {
    const file = this.#ballast(this.#ballasts);
    this.#ballasts += 1;
    for (let left = Math.min(bytes, this.freeBytes); left > 0; left -= megabyte) {
      appendFileSync(file, Buffer.alloc(Math.min(left, megabyte)));
    }
    return file;
  }
}

/** Values by key, of which the last acknowledged one or a later one must be there. */
class WrittenValues {
  readonly #values = new Map<string, { acknowledged: Buffer | undefined; later: Buffer[] }>();

  get size(): number {
    return this.#values.size;
  }

  /** Puts until the first refusal, which is returned. */
  async fill(connection: FrameConnection): Promise<string> {
    let refused: string | undefined;
    const worker = async (): Promise<void> => {
      for (let puts = 0; refused === undefined; puts += 1) {
        assert.ok(puts < putsMax, 'the disk does not fill up');
        const error = await this.put(connection);
        refused ??= error;
      }
    };
    await Promise.all(Array.from({ length: pipelineDepth }, worker));
    return refused!;
  }

  /** The text of the refusal, or undefined. */
  async put(connection: FrameConnection): Promise<string | undefined> {
    const isNew = this.#values.size < keysMax && run.chance(80);
    const key = `k${isNew ? this.#values.size : run.below(this.#values.size + 1)}`;
    const value = run.bytes(1000 + run.below(40_000));
    const entry = this.#values.get(key) ?? { acknowledged: undefined, later: [] };
    this.#values.set(key, entry);
    entry.later.push(value);
    try {
      await connection.put(bucket, key, value);
    } catch (error) {
      if (!(error instanceof ErrorReply)) throw error;
      return error.message;
    }
    entry.acknowledged = value;
    entry.later.splice(0, entry.later.indexOf(value) + 1);
    return undefined;
  }

  async check(connection: FrameConnection, keys: Iterable<string> = this.#values.keys()): Promise<void> {
    for (const key of keys) {
      const { acknowledged, later } = this.#values.get(key)!;
      const { values } = await connection.get(bucket, key);
      assert.ok(values.length <= 1, 'one value');
      const [found] = values;
      const isThere =
        found === undefined
          ? acknowledged === undefined
          : [acknowledged, ...later].some((value) => value?.equals(found));
      assert.ok(isThere, `${key}: ${found === undefined ? 'lost' : 'another value'}`);
    }
  }

  /**
   * Reads keys one after another for a while; each is there, and soon. The longest time without one, which
   * is that in which the engine opens its files again, is bounded.
   */
  async readFor(connection: FrameConnection, durationMs: number): Promise<void> {
    const keys = [...this.#values.keys()];
    const end = performance.now() + durationMs;
    let lastRead = performance.now();
    while (performance.now() < end) {
      try {
        await this.check(connection, [run.pick(keys)]);
        lastRead = performance.now();
      } catch (error) {
        if (!(error instanceof ErrorReply)) throw error;
      }
      const gap = performance.now() - lastRead;
      assert.ok(gap < readGapMsMax, `no read for ${Math.round(gap)} ms`);
      await sleep(5);
    }
  }
}

test('a full disk: clear errors, reads go on, recovery by itself, nothing acknowledged is lost', async (context) => {
  const sandbox = new HaleSandbox();
  context.after(() => sandbox.close());
  const disk = smallDisk(sandbox, context);
  if (disk === undefined) return;
  try {
    const written = new WrittenValues();
    let completed = 0;
    for (let round = 0; round < rounds; round += 1) {
      const settings = run.chance(50) ? [] : ['-o', 'leveldb.write_buffer_size=256KB'];
      await context.test(`round ${round + 1}`, async () => {
        await fillAndRecover(await sandbox.start(...settings), disk, written);
        await killWhenFull(await sandbox.start(...settings), disk, written);
        await startWhenFull(sandbox, disk, written);
        completed += 1;
      });
      if (completed <= round) break;
    }
    context.diagnostic(`${written.size} keys written`);
  } finally {
    await sandbox.endAll();
    disk.unmount();
  }
});

async function fillAndRecover(node: HaleProcess, disk: SmallDisk, written: WrittenValues): Promise<void> {
  using connection = await FrameConnection.connect(node.protobufPort);
  using http = new ObjectRequests(node.url);
  await written.check(connection);
  const crumb = disk.occupy(crumbBytes);
  const ballast = disk.occupy(disk.freeBytes - fillBytes);
  assert.match(await written.fill(connection), refusal);
  const refused = await http.put(bucket, 'over-http', run.bytes(30_000));
  assert.equal(refused.status, 503, refused.body.toString());
  assert.match(refused.body.toString(), refusal);
  assert.equal(await http.metric('hale_storage_failing'), 1);
  assert.equal((await http.get(bucket, 'over-http')).status, 404);
  await written.readFor(connection, 500);
  rmSync(crumb);
  await written.readFor(connection, crumbMs);
  rmSync(ballast);
  await untilWritable(connection, written);
  assert.equal((await http.put(bucket, 'over-http', Buffer.from('later'))).status, 204);
  assert.equal((await http.delete(bucket, 'over-http')).status, 204);
  assert.equal(await http.metric('hale_storage_failing'), 0);
  await written.check(connection);
  await node.kill();
}

async function killWhenFull(node: HaleProcess, disk: SmallDisk, written: WrittenValues): Promise<void> {
  using connection = await FrameConnection.connect(node.protobufPort);
  await written.check(connection);
  disk.occupy(disk.freeBytes - fillBytes);
  await written.fill(connection);
  disk.occupy(disk.freeBytes);
  await sleep(run.below(300));
  await node.kill();
}

/** In vain, with one line that says why; then with space, and all is there. */
async function startWhenFull(sandbox: HaleSandbox, disk: SmallDisk, written: WrittenValues): Promise<void> {
  disk.occupy(disk.freeBytes);
  const inVain = await sandbox.run(['start', '--http', '127.0.0.1:0', '--pb', '127.0.0.1:0']);
  assert.notEqual(inVain.code, 0);
  assert.match(inVain.err, /^hale: [^\n]*no space left[^\n]*\n$/i);
  disk.release();
  const node = await sandbox.start();
  using connection = await FrameConnection.connect(node.protobufPort);
  await written.check(connection);
  assert.equal(await written.put(connection), undefined);
  node.signal('SIGTERM');
  assert.equal((await node.finished()).code, 0);
}

async function untilWritable(connection: FrameConnection, written: WrittenValues): Promise<void> {
  const started = performance.now();
  for (;;) {
    const error = await written.put(connection);
    if (error === undefined) return;
    assert.match(error, /^storage: .*(no space left on device|is being opened again)/i);
    assert.ok(performance.now() - started < recoveryMsMax, `still refused: ${error}`);
    await sleep(50);
  }
}

/** Undefined, and says so, where this user may not mount. */
function smallDisk(sandbox: HaleSandbox, context: TestContext): SmallDisk | undefined {
  try {
    return new SmallDisk(path.join(sandbox.directory, 'data'));
  } catch (error) {
    context.diagnostic(`NOT TESTED, since no file system can be mounted here: ${String(error)}`);
    return undefined;
  }
}
