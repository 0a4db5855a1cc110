/**
 * A session recorded with a cluster of three Riak 3.4 nodes of which one had been stopped, held with such a cluster of
 * ours. Of eight keys the recorded cluster had two whose three replicas were on the two other nodes, so that `pr=3` was met
 * for them; that cannot be here, and so they answer as the others do (claim L1: replicas are on distinct nodes).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpPort } from '../../e2e/cluster-node.ts';
import { HaleCluster } from '../../e2e/hale-cluster.ts';
import { type HttpExchange, httpTranscript } from './http-transcript.ts';
import { sendRaw } from './raw-http.ts';
import { replayHttp } from './replay-http.ts';

/** The one difference that is meant: a refusal has one form, so there is nothing to vary. */
function expectedHere(exchange: HttpExchange): HttpExchange {
  const { vary: _vary, ...headers } = exchange.headers ?? {};
  return exchange.status === 503 ? { ...exchange, headers } : exchange;
}

test('cluster-session: with one node of three stopped, each answer is the recorded one', async (context) => {
  await using cluster = await HaleCluster.start({ size: 3 });
  const [first, , third] = cluster.nodes;
  const session = httpTranscript('cluster-session');
  const headers = ['Content-Type: text/plain'];
  for (const path of new Set(session.map(({ ask }) => ask[1].replace(/\?.*/, '')))) {
    const stored = await sendRaw(httpPort, { method: 'PUT', path, headers, body: 'x' }, first!.host);
    assert.equal(stored.status, 204);
  }
  await third!.stop();
  let compared = 0;
  for await (const { exchange, differences, got } of replayHttp(
    httpPort,
    session,
    expectedHere,
    first!.host,
  )) {
    compared += 1;
    await context.test(exchange.name, () =>
      assert.equal(differences.join('\n'), '', got.body.slice(0, 1000)),
    );
  }
  assert.equal(compared, 32);
});
