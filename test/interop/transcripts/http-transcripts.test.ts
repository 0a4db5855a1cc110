/** Sessions recorded with a Riak 3.4 node, held with a started node: the same answers, but for what is listed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedHere, inTimeHere, intendedDifferences, notThereYet } from './http-differences.ts';
import { httpSessions, isAsExpected, startRecordedNode } from './http-sessions.ts';
import { httpTranscript } from './http-transcript.ts';
import { replayHttp } from './replay-http.ts';

/** Sessions → exchanges that are compared at least. All that were recorded of one node: 386. */
const counts = new Map([
  ['http-session', 185],
  ['http-bitcask-session', 185],
  ['http-index-session', 16],
]);

for (const { name: session, exchanges, expected } of httpSessions()) {
  test(`${session}: each answer is the recorded one, or differs as is listed`, async (context) => {
    await using node = await startRecordedNode();
    let compared = 0;
    for await (const comparison of replayHttp(node.httpPort, exchanges, expected)) {
      const { exchange, differences, got } = comparison;
      if (exchange.status === undefined) continue;
      compared += 1;
      await context.test(exchange.name, () => {
        if (notThereYet.has(exchange.name)) {
          assert.notEqual(differences.length, 0, 'is there by now: strike it off');
        } else assert.ok(isAsExpected(comparison), `${differences.join('\n')}\n${got.body.slice(0, 1000)}`);
      });
    }
    assert.ok(compared >= counts.get(session)!, `${compared} exchanges`);
  });
}

test('what is listed was recorded, under a name of its own, and asks for another answer', () => {
  const recorded = ['http-session', 'http-index-session'].flatMap(httpTranscript);
  const byName = new Map(recorded.map((exchange) => [exchange.name, exchange]));
  assert.equal(byName.size, recorded.length);
  for (const name of [...notThereYet, ...inTimeHere.keys()]) assert.ok(byName.has(name), name);
  for (const name of intendedDifferences) {
    const exchange = byName.get(name);
    assert.ok(exchange !== undefined, name);
    assert.notDeepEqual(expectedHere(exchange), exchange, name);
  }
});

test('of the two backends the same was asked, and nine answers of Bitcask are that it has no indexes', () => {
  const [leveldb, bitcask] = httpSessions();
  const asked = ({
    exchanges,
  }: {
    exchanges: readonly { name: string; ask: readonly string[]; send?: string }[];
  }) => exchanges.map(({ name, ask, send }) => [name, ask, send]);
  assert.deepEqual(asked(bitcask!), asked(leveldb!));
  const refused = bitcask!.exchanges.filter(({ name }) => bitcask!.reason(name) !== leveldb!.reason(name));
  assert.equal(refused.length, 9);
  for (const exchange of refused) assert.notDeepEqual(bitcask!.expected(exchange), exchange);
});
