/** The session of `curl-session.ts`, held with a started node by the real curl where there is one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type HttpResponse, sendRequest } from './curl.ts';
import { curlSession, type Expected } from './curl-session.ts';
import { type StartedNode, startNode } from './started-node.ts';

/** Of the message and the connection, not of the API. */
const generalHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
]);

let node: StartedNode;
before(async () => {
  // The observed node kept tombstones for a while.
  node = await startNode('-o', 'delete_mode=3000');
});
after(() => node[Symbol.asyncDispose]());

/** Boundaries, tags and times become `B`, `V` and `D`. */
function normalised({ headers, body }: HttpResponse): string {
  const boundary = /boundary=(\w+)/.exec(headers.get('content-type') ?? '')?.[1];
  if (boundary === undefined) return body;
  return body
    .replaceAll(boundary, 'B')
    .replaceAll(/^Etag: .*$/gm, 'Etag: V\r')
    .replaceAll(/^Last-Modified: .*$/gm, 'Last-Modified: D\r')
    .replaceAll('\r\r', '\r');
}

function check(got: string | undefined, expected: Expected, what: string): void {
  if (typeof expected === 'string') assert.equal(got, expected, what);
  else assert.match(got ?? '', new RegExp(`^(?:${expected.source})$`, 's'), what);
}

test('a session of curl gets the answers that it is used to', async (context) => {
  const send = sendRequest();
  const remembered = new Map<string, HttpResponse>();
  const filled = (text: string) =>
    text.replaceAll(/\{(\w+)\.([\w-]+)\}/g, (_, name: string, header: string) => {
      const found = remembered.get(name)?.headers.get(header);
      assert.ok(found !== undefined, `${header} of ${name}`);
      return found;
    });
  for (const row of curlSession) {
    await context.test(row.name, async () => {
      const [method = '', path = '', ...lines] = row.ask.map(filled);
      const headers = Object.fromEntries(
        lines.map((line) => [line.split(':')[0]!, line.replace(/^[^:]+: ?/, '')]),
      );
      const got = await send(node.httpPort, { method, path, headers, body: row.send });
      assert.equal(got.statusLine, row.status, got.body);
      const names = [...got.headers.keys()].filter((name) => !generalHeaders.has(name));
      assert.deepEqual(names.sort(), Object.keys(row.headers).sort());
      for (const [name, expected] of Object.entries(row.headers))
        check(got.headers.get(name), expected, name);
      check(normalised(got), row.body, 'body');
      if (row.as !== undefined) remembered.set(row.as, got);
    });
  }
});
