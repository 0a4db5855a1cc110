/** What is decided before any resource is asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpExchange } from '../../environment/index.ts';
import type { KeyValueStore } from '../../kv/index.ts';
import { handleHttp } from './handle-http.ts';
import type { HttpServices } from './http-services.ts';

test('an overloaded node answers objects with 503 and when to come back, before it reads a body or a query', () => {
  for (const [method, work] of [
    ['GET', 'read'],
    ['HEAD', 'read'],
    ['PUT', 'write'],
    ['POST', 'write'],
    ['DELETE', 'write'],
  ] as const) {
    const asked: string[] = [];
    const store = { refuses: (kind: string) => asked.push(kind) > 0 } as unknown as KeyValueStore;
    const sent: [number, string[], string][] = [];
    const exchange = {
      method,
      target: '/types/t/buckets/b/keys/k?timeout=nonsense',
      headers: ['Content-Type', 'text/plain', 'Content-Length', '5'],
      readBody: () => assert.fail('the body is not read'),
      respond: (...each: [number, string[], Buffer]) => sent.push([each[0], each[1], each[2].toString()]),
    } as unknown as HttpExchange;
    handleHttp(exchange, { store } as HttpServices);
    assert.deepEqual(asked, [work]);
    assert.equal(sent.length, 1, method);
    const [status, headers, body] = sent[0]!;
    assert.deepEqual([status, body], [503, 'overload\n']);
    assert.equal(headers[headers.indexOf('Retry-After') + 1], '1');
  }
});
