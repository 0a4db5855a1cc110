/** Objects that were stored before their links and user metadata were bounded. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { VersionVector } from '../../clocks/index.ts';
import type { HttpExchange } from '../../environment/index.ts';
import type { GetResult, KeyValueStore } from '../../kv/index.ts';
import { makeObject } from '../../kv/object/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent, stampContent } from '../../wire/index.ts';
import { handleHttp } from './handle-http.ts';
import type { HttpServices } from './http-services.ts';

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
}

function answerTo(method: string, target: string, linkCount: number): Answer {
  const link = { bucket: byteLiteral('b'), key: byteLiteral('none'), tag: byteLiteral('t') };
  const links = new Array(linkCount).fill(link);
  const bare = { value: Buffer.from('v'), links, userMeta: [], indexes: [], deleted: false };
  const content = stampContent(encodeContent(bare), byteLiteral('tag'), 7);
  const object = makeObject(VersionVector.empty, [{ dot: undefined, content }]);
  const store = {
    refuses: () => false,
    properties: () => ({}),
    get: ({ key }: { readonly key: string }, done: (result: GetResult) => void) =>
      done(key === 'k' ? { kind: 'found', object } : { kind: 'notfound' }),
  } as unknown as KeyValueStore;
  const answers: Answer[] = [];
  const exchange = {
    method,
    target,
    headers: [],
    signal: new AbortController().signal,
    respond: (status: number, headers: string[]) => answers.push({ status, headers }),
  } as unknown as HttpExchange;
  const services = {
    store,
    clock: { wallMicros: () => 0 },
    random: { bytes: (count: number) => Buffer.alloc(count) },
    tasks: { endOfTurn: (run: () => void) => run() },
  } as unknown as HttpServices;
  handleHttp(exchange, services);
  assert.equal(answers.length, 1);
  return answers[0]!;
}

test('an object with more links than headers hold is answered with an error, and a read of it with its context', () => {
  for (const [method, target] of [
    ['GET', '/buckets/b/keys/k'],
    ['HEAD', '/buckets/b/keys/k'],
    ['GET', '/buckets/b/keys/k/_,_,1'],
  ] as const) {
    assert.equal(answerTo(method, target, 10_000).status, 200, target);
    const { status, headers } = answerTo(method, target, 10_001);
    assert.equal(status, 500, target);
    assert.equal(headers.includes('X-Riak-Vclock'), target.endsWith('/k'), target);
  }
});
