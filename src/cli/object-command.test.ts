/** What `hale put` and `del` make of a node's answers, asked over a real socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { deleteObject, putObject } from './object-command.ts';
import type { Terminal } from './terminal.ts';

const terminal = { out: () => undefined } as unknown as Terminal;

/** The writes that reach a node whose HEAD is answered so. */
async function writesAfter(
  headStatus: number,
  context: string | undefined,
  command: (at: string) => Promise<void>,
): Promise<readonly IncomingMessage[]> {
  const writes: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    if (request.method === 'HEAD') {
      response.writeHead(headStatus, context === undefined ? {} : { 'X-Riak-Vclock': context }).end();
      return;
    }
    writes.push(request);
    request.resume().on('end', () => response.writeHead(204).end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await command(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.close();
  }
  return writes;
}

const name = { bucket: 'b', key: 'k' };
const put = (at: string) => putObject(terminal, { at, ...name, value: Buffer.from('v'), json: false });
const del = (at: string) => deleteObject(terminal, { at, ...name });

test('a node that does not say what is stored is written nothing', async () => {
  for (const status of [400, 500, 503]) {
    for (const command of [put, del]) {
      const refused = writesAfter(status, undefined, command);
      await assert.rejects(refused, { exitCode: 1, message: `the node answered ${status}` });
    }
  }
});

test('a write follows what is stored, also what cannot be shown', async () => {
  for (const status of [200, 300, 500]) {
    for (const command of [put, del]) {
      const [write] = await writesAfter(status, 'Zm9v', command);
      assert.equal(write?.headers['x-riak-vclock'], 'Zm9v');
    }
  }
  const [first] = await writesAfter(404, undefined, put);
  assert.equal(first?.headers['x-riak-vclock'], undefined);
  const [afterDelete] = await writesAfter(404, 'Zm9v', put);
  assert.equal(afterDelete?.headers['x-riak-vclock'], 'Zm9v');
  await assert.rejects(writesAfter(404, 'Zm9v', del), { exitCode: 8 });
});
