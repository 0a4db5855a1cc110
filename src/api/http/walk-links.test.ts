/** What a walk holds while it reads. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { VersionVector } from '../../clocks/index.ts';
import type { HttpExchange } from '../../environment/index.ts';
import type { GetResult, KeyValueStore, VersionedObject } from '../../kv/index.ts';
import { makeObject } from '../../kv/object/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, stampContent } from '../../wire/index.ts';
import { handleHttp } from './handle-http.ts';
import type { HttpServices } from './http-services.ts';

const linked = 200;
const valueBytes = 1024 * 1024;

/** `start` links to `linked` large objects, each of which links to `end`. */
function objectAt(key: string): VersionedObject {
  const link = (to: string) => ({ bucket: byteLiteral('b'), key: byteLiteral(to), tag: byteLiteral('t') });
  const links =
    key === 'start'
      ? Array.from({ length: linked }, (_, i) => link(`o${i}`))
      : key === 'end'
        ? []
        : [link('end')];
  const value = Buffer.alloc(key.startsWith('o') ? valueBytes : 1);
  const content = encodeContent({ value, links, userMeta: [], indexes: [], deleted: false });
  const stamped = stampContent(content, byteLiteral('tag'), 7);
  return makeObject(VersionVector.empty, [{ dot: undefined, content: stamped }]);
}

/** Answers the walk of these steps; `read` hears each object as it is read. */
function walk(steps: string, read: (key: string, object: VersionedObject) => void) {
  return new Promise<{ readonly status: number; readonly body: string }>((resolve) => {
    const store = {
      refuses: () => false,
      get: ({ key }: { readonly key: string }, done: (result: GetResult) => void) =>
        setImmediate(() => {
          const object = objectAt(key);
          read(key, object);
          done({ kind: 'found', object });
        }),
    } as unknown as KeyValueStore;
    const exchange = {
      method: 'GET',
      target: `/buckets/b/keys/start/${steps}`,
      headers: [],
      signal: new AbortController().signal,
      respond: (status: number, _headers: unknown, body: Buffer) =>
        resolve({ status, body: body.toString() }),
    } as unknown as HttpExchange;
    const services = {
      store,
      clock: { wallMicros: () => 0 },
      random: { bytes: (count: number) => Buffer.alloc(count) },
      tasks: { endOfTurn: (run: () => void) => setImmediate(run) },
    } as unknown as HttpServices;
    handleHttp(exchange, services);
  });
}

test('the values of a step that is not shown are let go', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const seen: WeakRef<object>[] = [];
  let held = 0;
  const { status, body } = await walk('_,_,0/_,_,1', (key, object) => {
    if (!key.startsWith('o')) return;
    seen.push(new WeakRef(object.bytes.buffer));
    if (seen.length < linked) return;
    collect();
    held = seen.filter((each) => each.deref() !== undefined).length;
  });
  assert.deepEqual([status, seen.length], [200, linked]);
  assert.match(body, /Location: \/buckets\/b\/keys\/end/);
  assert.ok(held <= linked / 2, `${held} objects are held`);
});

test('a step that is shown is refused once it has too much, and read no further', async () => {
  let reads = 0;
  const { status, body } = await walk('_,_,1', () => {
    reads += 1;
  });
  assert.deepEqual([status, body], [400, 'The answer would have more than 33554432 bytes.\n']);
  assert.ok(reads < 64, `${reads} objects were read`);
});
