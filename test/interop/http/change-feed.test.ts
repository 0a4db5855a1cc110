/** The change feed over HTTP: real sockets, as `curl` and a browser's `EventSource` use it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type StartedNode, startNode } from '../started-node.ts';

let node: StartedNode;
let url: string;

before(async () => {
  node = await startNode();
  url = `http://127.0.0.1:${node.httpPort}`;
});
after(async () => {
  await node[Symbol.asyncDispose]();
});

interface ReadEvent {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Reads events until `enough`, by the rules of the HTML standard as far as they are needed. */
class EventReader {
  lastEventId = '';
  readonly events: ReadEvent[] = [];
  readonly #controller = new AbortController();
  #text = '';
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  async open(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(url + path, { headers, signal: this.#controller.signal });
    this.#reader = response.body?.getReader();
    return response;
  }

  async until(enough: () => boolean): Promise<void> {
    const timer = setTimeout(() => this.#controller.abort(), 10_000);
    try {
      while (!enough()) {
        const { value, done } = await this.#reader!.read();
        if (done) break;
        this.#text += Buffer.from(value).toString();
        for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
          this.#take(this.#text.slice(0, end));
          this.#text = this.#text.slice(end + 2);
        }
      }
    } finally {
      clearTimeout(timer);
    }
    assert.ok(enough(), `heard only ${JSON.stringify(this.events)}`);
  }

  close(): void {
    this.#controller.abort();
  }

  #take(block: string): void {
    let event = 'message';
    let data = '';
    for (const line of block.split('\n')) {
      if (line.startsWith('id: ')) this.lastEventId = line.slice(4);
      else if (line.startsWith('event: ')) event = line.slice(7);
      else if (line.startsWith('data: ')) data = line.slice(6);
    }
    if (data !== '') this.events.push({ event, data: JSON.parse(data) as Record<string, unknown> });
  }
}

async function keepFeed(bucket: string, props: object = { feed: true }): Promise<void> {
  const answer = await fetch(`${url}/buckets/${bucket}/props`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ props }),
  });
  assert.equal(answer.status, 204, await answer.text());
}

async function put(bucket: string, key: string, value: string): Promise<void> {
  const answer = await fetch(`${url}/buckets/${bucket}/keys/${key}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'text/plain' },
    body: value,
  });
  assert.equal(answer.status, 204);
}

async function remove(bucket: string, key: string): Promise<void> {
  const answer = await fetch(`${url}/buckets/${bucket}/keys/${key}`, { method: 'DELETE' });
  assert.equal(answer.status, 204);
}

const keysOf = (reader: EventReader) => reader.events.map(({ data }) => data.key);

test('a feed hands out each change once, in order, and goes on from the last id', async () => {
  await keepFeed('orders');
  const reader = new EventReader();
  const response = await reader.open('/buckets/orders/feed?values=true');
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  await reader.until(() => reader.lastEventId !== '');
  await put('orders', 'a', '1');
  await reader.until(() => reader.events.length === 1);
  await put('orders', 'b', '1');
  await reader.until(() => reader.events.length === 2);
  await put('orders', 'a', '2');
  await reader.until(() => reader.events.length === 3);
  await remove('orders', 'b');
  await reader.until(() => reader.events.length === 4);
  assert.deepEqual(
    reader.events.map(({ event, data }) => [event, data.key, data.values]),
    [
      ['changed', 'a', [{ content_type: 'text/plain', value: '1' }]],
      ['changed', 'b', [{ content_type: 'text/plain', value: '1' }]],
      ['changed', 'a', [{ content_type: 'text/plain', value: '2' }]],
      ['deleted', 'b', undefined],
    ],
  );
  reader.close();
  await put('orders', 'c', '1');

  const again = new EventReader();
  await again.open('/buckets/orders/feed', { 'Last-Event-ID': reader.lastEventId });
  await again.until(() => keysOf(again).includes('c'));
  assert.deepEqual(keysOf(again), ['c'], 'nothing before the cursor comes again');
  again.close();

  const whole = new EventReader();
  await whole.open('/buckets/orders/feed?since=start');
  await whole.until(() => whole.events.length >= 3);
  assert.deepEqual(keysOf(whole).map(String).sort(), ['a', 'b', 'c'], 'each key once, the deleted one too');
  whole.close();
});

test('a feed may be of a prefix, or of one key', async () => {
  await keepFeed('people');
  const prefixed = new EventReader();
  const watched = new EventReader();
  await prefixed.open('/types/default/buckets/people/feed?prefix=ann');
  await watched.open('/buckets/people/keys/ben/watch');
  await prefixed.until(() => prefixed.lastEventId !== '');
  await watched.until(() => watched.lastEventId !== '');
  for (const key of ['ann', 'ben', 'anna', 'zoe', 'bent', 'annie', 'ben']) await put('people', key, key);
  await prefixed.until(() => prefixed.events.length >= 3);
  await watched.until(() => watched.events.length >= 2);
  assert.deepEqual(keysOf(prefixed), ['ann', 'anna', 'annie']);
  assert.deepEqual(keysOf(watched), ['ben', 'ben']);
  prefixed.close();
  watched.close();
});

test('what cannot be followed is refused with a sentence', async () => {
  await keepFeed('kept');
  for (const [path, status, text] of [
    ['/buckets/unkept/feed', 409, /keeps no change feed/],
    ['/types/nosuch/buckets/b/feed', 404, /bucket type/],
    ['/buckets/kept/feed?cursor=nonsense', 400, /cursor/],
    ['/buckets/kept/feed?since=yesterday', 400, /now or start/],
    ['/buckets/kept/feed?heartbeat=1', 400, /milliseconds/],
    ['/buckets/kept/feed?key=a&prefix=b', 400, /"key" or "prefix"/],
  ] as const) {
    const answer = await fetch(url + path);
    assert.equal(answer.status, status, path);
    assert.match(await answer.text(), text);
  }
  const posted = await fetch(`${url}/buckets/kept/feed`, { method: 'POST', body: '{}' });
  assert.equal(posted.status, 405);
});

test('a cursor is of the feed that it came from', async () => {
  await keepFeed('one');
  await keepFeed('two');
  const reader = new EventReader();
  await reader.open('/buckets/one/feed');
  await reader.until(() => reader.lastEventId !== '');
  reader.close();
  const answer = await fetch(`${url}/buckets/two/feed?cursor=${reader.lastEventId}`);
  assert.equal(answer.status, 400);
  await answer.text();
});

test('a timeout ends the feed, and heartbeats tell the cursor', async () => {
  await keepFeed('short');
  const answer = await fetch(`${url}/buckets/short/feed?timeout=500&heartbeat=100`);
  const text = await answer.text();
  assert.match(text, /^(: nothing new\nid: [\w-]+\n\n){3,}$/);
});

test('a HEAD is answered, as a GET would begin', async () => {
  const signal = AbortSignal.timeout(5000);
  await keepFeed('headed');
  for (const path of ['/buckets/headed/feed', '/buckets/headed/keys/k/watch']) {
    const { status, headers } = await fetch(url + path, { method: 'HEAD', signal });
    assert.deepEqual([status, headers.get('content-type')], [200, 'text/event-stream'], path);
  }
  assert.equal((await fetch(`${url}/buckets/unfed/feed`, { method: 'HEAD', signal })).status, 409);
});
