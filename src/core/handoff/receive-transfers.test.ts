/** What arrives is merged a few items a turn, whatever a socket brings at once (H10). */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { type Environment, type Instant, nodeIdOf } from '../../environment/index.ts';
import { silentLog } from '../../runtime/index.ts';
import { BackgroundWork, unknownForeground } from '../background/index.ts';
import type { ClusterLog } from '../cluster/index.ts';
import type { Partition } from '../ring/index.ts';
import { type ClusterState, foundCluster } from '../topology/index.ts';
import type { Messenger } from '../transport/index.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import { TransferReceiver } from './receive-transfers.ts';
import { decodeTransferMessage } from './transfer-codec.ts';
import type { OpenTransfer, TransferMessage } from './transfer-message.ts';

const self = nodeIdOf('a@h1');
const from = nodeIdOf('b@h2');
const p0 = 0 as Partition;
const id = '0000000000000001';

/** A receiver whose turns end when the test says so, and a store that stores when it says so. */
class Stage {
  readonly sent: TransferMessage[] = [];
  readonly merges: {
    readonly partition: Partition;
    readonly items: readonly string[];
    end(error?: Error): void;
  }[] = [];
  readonly receiver: TransferReceiver;
  state: ClusterState = foundCluster({
    clusterId: 'c',
    member: { node: self, instance: 'i', address: { host: 'h1', port: 1 }, location: '' },
    ringSize: 8,
    targetN: 3,
  } as Parameters<typeof foundCluster>[0]);
  #due: (() => void)[] = [];

  constructor() {
    const environment = {
      clock: { now: () => 0 as Instant },
      timers: { after: () => ({ cancel: () => undefined }) },
      tasks: {
        spawn: (_name: string, body: () => Promise<void>) => void body(),
        endOfTurn: (run: () => void) => void this.#due.push(run),
      },
      log: silentLog,
    } as unknown as Pick<Environment, 'clock' | 'timers' | 'tasks' | 'log'>;
    const send = (
      _to: unknown,
      _class: unknown,
      _channel: unknown,
      length: number,
      fill: (into: Buffer, at: number) => void,
    ): boolean => {
      const bytes = Buffer.alloc(length);
      fill(bytes, 0);
      const decoded = decodeTransferMessage(bytes);
      assert.ok(decoded.kind === 'message');
      this.sent.push(decoded.message);
      return true;
    };
    const log = Object.defineProperty({ sawEpoch: () => undefined }, 'state', { get: () => this.state });
    this.receiver = new TransferReceiver({
      environment,
      background: new BackgroundWork(environment, unknownForeground),
      messenger: { self, send, queuedBytes: () => 0 } as unknown as Messenger,
      log: log as unknown as ClusterLog,
      store: {
        merge: (partition: Partition, items: readonly Buffer[]) =>
          new Promise<void>((resolve, reject) => {
            const end = (error?: Error): void => (error === undefined ? resolve() : reject(error));
            this.merges.push({ partition, items: items.map(String), end });
          }),
      } as unknown as PartitionStore,
      incoming: { window: 4, idleMsMax: 1000 },
      transfersMax: 8,
      itemsPerTurnMax: 2,
      refuses: () => undefined,
      complete: () => undefined,
    });
  }

  open(id: string): void {
    const head: OpenTransfer = {
      kind: 'open',
      id,
      purpose: 'stray',
      partition: p0,
      source: p0,
      since: 0,
      clusterId: 'c',
      generation: 1,
      // Ahead of what this node knows: whether the sender is a member cannot be judged yet.
      epoch: 2,
      fromInstance: 'j',
      to: self,
      toInstance: 'i',
      first: 0,
    };
    this.receiver.receive(from, head);
  }

  batch(id: string, number: number, items: readonly string[]): void {
    const bytes = items.map((item) => Buffer.from(item));
    this.receiver.receive(from, { kind: 'batch', id, number, items: bytes });
  }

  /** One turn of the event loop ends, and what was settled runs its course. */
  async turn(): Promise<void> {
    await settled();
    const due = this.#due;
    this.#due = [];
    for (const run of due) run();
    await settled();
  }

  get acknowledged(): readonly number[] {
    return this.sent.flatMap((message) => (message.kind === 'ack' ? [message.next] : []));
  }
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
}

test('H10: batches that come at once are merged a few items a turn, in order, and acknowledged when all are stored', async () => {
  const stage = new Stage();
  stage.open(id);
  stage.batch(id, 0, ['a', 'b', 'c']);
  stage.batch(id, 1, ['d']);
  await settled();
  assert.equal(stage.merges.length, 0, 'not in the turn in which they came');
  const seen: string[][] = [];
  for (let turn = 0; turn < 6; turn += 1) {
    const before = stage.merges.length;
    await stage.turn();
    assert.ok(stage.merges.length - before <= 1, 'one portion a turn');
  }
  for (const { items } of stage.merges) seen.push([...items]);
  assert.deepEqual(seen.flat().sort(), ['a', 'b', 'c', 'd'], 'every item once');
  assert.ok(seen.every((items) => items.length <= 2));
  assert.deepEqual(stage.acknowledged, []);
  const last = stage.merges.find(({ items }) => items.includes('c'))!;
  for (const merge of stage.merges) if (merge !== last) merge.end();
  await settled();
  assert.deepEqual(stage.acknowledged, [], 'batch 0 is not whole');
  last.end();
  await settled();
  assert.deepEqual(stage.acknowledged, [2]);
});

test('H10: of a transfer that ends meanwhile nothing more is merged', async () => {
  const stage = new Stage();
  stage.open(id);
  stage.batch(id, 0, ['a', 'b', 'c']);
  await stage.turn();
  assert.equal(stage.merges.length, 1);
  // The partition is somebody else's now.
  stage.state = { ...stage.state, epoch: 3, owners: stage.state.owners.map(() => from) };
  stage.receiver.follow();
  for (let turn = 0; turn < 4; turn += 1) await stage.turn();
  assert.equal(stage.merges.length, 1);
  assert.ok(stage.sent.some(({ kind }) => kind === 'refuse'));
});

test('a transfer that its sender gives up takes no place any more, and nothing more of it is merged', async () => {
  const stage = new Stage();
  stage.open(id);
  stage.batch(id, 0, ['a', 'b', 'c']);
  await stage.turn();
  assert.equal(stage.receiver.progress().length, 1);
  stage.receiver.receive(from, { kind: 'close', id });
  assert.equal(stage.receiver.progress().length, 0);
  for (let turn = 0; turn < 4; turn += 1) await stage.turn();
  assert.equal(stage.merges.length, 1);
});

test('a portion that cannot be stored fails the transfer, whatever becomes of those beside it', async () => {
  const stage = new Stage();
  stage.open(id);
  stage.batch(id, 0, ['a', 'b', 'c', 'd', 'e']);
  await stage.turn();
  stage.merges[0]!.end(new PartitionStoreError('storage', 'the disk says no'));
  for (let turn = 0; turn < 4; turn += 1) await stage.turn();
  for (const merge of stage.merges.slice(1)) merge.end();
  await settled();
  assert.deepEqual(stage.acknowledged, []);
  assert.ok(stage.sent.some((message) => message.kind === 'refuse' && message.code === 'storage'));
});
