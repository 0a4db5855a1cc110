/** Sessions recorded with a Riak 3.4 node, held with a started node: the same answers, but for what is listed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeBucketType, startNode } from '../started-node.ts';
import { expectedHere, inTimeHere, intendedDifferences, notThereYet } from './http-differences.ts';
import { httpTranscript } from './http-transcript.ts';
import { replayHttp } from './replay-http.ts';

/** Sessions → exchanges that are compared at least. */
const sessions = new Map([
  ['http-session', 185],
  ['http-index-session', 16],
]);

for (const [session, exchangesMin] of sessions) {
  test(`${session}: each answer is the recorded one, or differs as is listed`, async (context) => {
    // The recorded node kept tombstones for a while.
    await using node = await startNode('-o', 'delete_mode=3000');
    for (const datatype of ['counter', 'set', 'map', 'hll', 'gset'])
      await makeBucketType(node, `${datatype}s`, { datatype });
    let compared = 0;
    for await (const comparison of replayHttp(node.httpPort, httpTranscript(session), expectedHere)) {
      const { exchange, differences, got } = comparison;
      if (exchange.status === undefined) continue;
      compared += 1;
      await context.test(exchange.name, () => {
        if (notThereYet.has(exchange.name)) {
          assert.notEqual(differences.length, 0, 'is there by now: strike it off');
        } else if (got.status === 200 && inTimeHere.has(exchange.name)) {
          assert.equal(got.body, inTimeHere.get(exchange.name));
        } else assert.equal(differences.join('\n'), '', got.body.slice(0, 1000));
      });
    }
    assert.ok(compared >= exchangesMin, `${compared} exchanges`);
  });
}

test('what is listed was recorded, under a name of its own, and asks for another answer', () => {
  const recorded = [...sessions.keys()].flatMap(httpTranscript);
  const byName = new Map(recorded.map((exchange) => [exchange.name, exchange]));
  assert.equal(byName.size, recorded.length);
  for (const name of [...notThereYet, ...inTimeHere.keys()]) assert.ok(byName.has(name), name);
  for (const name of intendedDifferences) {
    const exchange = byName.get(name);
    assert.ok(exchange !== undefined, name);
    assert.notDeepEqual(expectedHere(exchange), exchange, name);
  }
});
