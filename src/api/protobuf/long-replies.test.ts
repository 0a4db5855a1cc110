import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { GetRequest, GetResult, KeyValueStore } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeFrame, rpbGetReq } from '../../wire/index.ts';
import { PbService, silentPbObserver } from './index.ts';

const bigBytes = 100 * 1024;
const crowd = 40;
const getsEach = 5;

/** Connections to one service, whose store answers at once; turns end when the test says so. */
class Crowd {
  /** The connections' keys, in the order in which the store was asked. */
  readonly asked: string[] = [];
  #endOfTurn: (() => void)[] = [];
  readonly #service: PbService;

  constructor() {
    const big = { replyBody: () => Buffer.alloc(bigBytes) };
    const store = {
      get: ({ key }: GetRequest, done: (result: GetResult) => void) => {
        this.asked.push(key);
        done(key.startsWith('small') ? { kind: 'notfound' } : ({ kind: 'found', object: big } as never));
      },
    } as unknown as KeyValueStore;
    this.#service = new PbService({
      store,
      serverInfo: { node: 'a@b', version: '3.2.0' },
      limits: { frameBytesMax: 100_000 },
      observer: silentPbObserver,
      tasks: { spawn: () => assert.fail('no task'), endOfTurn: (run) => this.#endOfTurn.push(run) },
    });
  }

  connect() {
    const connection: Connection = {
      remote: { host: '127.0.0.1', port: 1 },
      queuedBytes: 0,
      write: () => true,
      pause() {},
      resume() {},
      end() {},
      destroy() {},
    };
    return this.#service.accept(connection);
  }

  /** Runs what waits for the end of the turn; what that puts off is the next turn's. */
  endTurn(): void {
    for (const run of this.#endOfTurn.splice(0)) run();
  }
}

const gets = (key: string, count: number): Buffer =>
  Buffer.concat(
    Array.from({ length: count }, () =>
      encodeFrame(rpbGetReq, { bucket: byteLiteral('b'), key: byteLiteral(key) }),
    ),
  );

test('a crowd that reads big values shares what a turn may produce, in order; short replies do not wait', () => {
  const node = new Crowd();
  const small = node.connect();
  for (let i = 0; i < crowd; i += 1) node.connect().data(gets(`big${i}`, getsEach));
  // The first may go on to the limit; then each is let in with one: nobody could know that it would be long.
  assert.equal(node.asked.length, 3 + (crowd - 1));
  const bigs = () => node.asked.filter((key) => key !== 'small');
  for (let turn = 0; bigs().length < crowd * getsEach; turn += 1) {
    assert.ok(turn < crowd * getsEach, 'it ends');
    const before = node.asked.length;
    node.endTurn();
    assert.ok(node.asked.length - before <= 3, 'a turn produces 256 KiB, and the value that reaches it');
    const smallBefore = node.asked.length;
    small.data(gets('small', 1));
    assert.equal(node.asked.length, smallBefore + 1);
  }
  const nextRounds = new Set(bigs().slice(crowd + 2, 4 * crowd));
  assert.equal(nextRounds.size, crowd, 'nobody is passed over');
});
