/** A feed and a peer that does not read: what is written, what is asked for, and when it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpExchange } from '../../environment/index.ts';
import type { FeedBatch, FeedReader } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { watchKey } from './feed-resource.ts';
import type { HttpServices } from './http-services.ts';
import { QueryParameters } from './query-parameters.ts';
import { readRequestHeaders } from './request-headers.ts';

class SlowPeer {
  readonly written: string[] = [];
  readonly controller = new AbortController();
  asked = 0;
  nowMs = 0;
  wallMicros = 0;
  isClosed = false;
  hasEnded = false;
  #drain: () => void = () => {};
  isFull = true;

  /** Status and headers, once they are sent. */
  started: readonly unknown[] = [];

  readonly exchange = {
    method: 'GET',
    signal: this.controller.signal,
    start: (...head: unknown[]) => {
      this.started = head;
    },
    write: (bytes: Buffer) => {
      this.written.push(bytes.toString());
      return !this.isFull;
    },
    drained: () =>
      new Promise<void>((resolve) => {
        this.#drain = resolve;
        this.controller.signal.addEventListener('abort', () => resolve());
      }),
    end: () => {
      this.hasEnded = true;
    },
  } as unknown as HttpExchange;

  readonly reader: FeedReader = {
    next: (): Promise<FeedBatch | undefined> => {
      this.asked += 1;
      if (this.isClosed) return Promise.resolve(undefined);
      const event = { kind: 'changed', key: byteLiteral('k'), object: undefined, micros: 5000 } as const;
      return Promise.resolve({ events: [event], cursor: `c${this.asked}` });
    },
    close: () => {
      this.isClosed = true;
    },
  };

  /** Asks for the head alone. */
  asksForHead(): void {
    Object.assign(this.exchange, { method: 'HEAD' });
    this.#watch(() => assert.fail('no task'));
  }

  takesAll(): void {
    this.#drain();
  }

  follow(parameters = ''): Promise<void> {
    let sent: Promise<void> | undefined;
    this.#watch((run) => {
      sent = run();
    }, parameters);
    assert.ok(sent !== undefined);
    return sent;
  }

  #watch(spawn: (run: () => Promise<void>) => void, parameters = ''): void {
    const services = {
      feeds: { open: () => this.reader },
      clock: { now: () => this.nowMs, wallMicros: () => this.wallMicros },
      tasks: {
        spawn: (_name: string, run: () => Promise<void>) => spawn(run),
      },
    } as unknown as HttpServices;
    const route = {
      kind: 'watch',
      style: 'buckets',
      bucketType: byteLiteral('default'),
      bucket: byteLiteral('b'),
      key: byteLiteral('k'),
    } as const;
    const query = new QueryParameters(parameters);
    watchKey({ exchange: this.exchange, services, route, query, headers: readRequestHeaders([]) });
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

test('nothing is asked for while the peer does not read', async () => {
  const peer = new SlowPeer();
  const sent = peer.follow();
  await turns();
  assert.equal(peer.asked, 1);
  assert.deepEqual(peer.written, ['id: c1\nevent: deleted\ndata: {"key":"k","time":5}\n\n']);
  peer.takesAll();
  await turns();
  assert.equal(peer.asked, 2);
  assert.equal(peer.written.length, 2);
  peer.controller.abort();
  await sent;
  assert.ok(peer.isClosed, 'who has gone is not followed for');
  assert.equal(peer.asked, 2);
});

test('a feed that ends ends the answer', async () => {
  const peer = new SlowPeer();
  const sent = peer.follow();
  await turns();
  peer.isClosed = true;
  peer.takesAll();
  await sent;
  assert.ok(peer.hasEnded);
});

test('the head of a feed is answered at once, and the feed not followed', () => {
  const peer = new SlowPeer();
  peer.asksForHead();
  assert.deepEqual([peer.started[0], peer.hasEnded, peer.isClosed, peer.asked], [200, true, true, 0]);
  assert.deepEqual(peer.written, []);
});

test('a feed ends after its timeout, whatever the wall clock is set to', async () => {
  const peer = new SlowPeer();
  const sent = peer.follow('timeout=1000');
  for (const nowMs of [500, 999]) {
    await turns();
    peer.nowMs = nowMs;
    peer.wallMicros += 3_600_000_000;
    peer.takesAll();
  }
  await turns();
  assert.equal(peer.asked, 3);
  peer.nowMs = 1000;
  peer.wallMicros = 0;
  peer.takesAll();
  await sent;
  assert.ok(peer.hasEnded && peer.isClosed);
});
