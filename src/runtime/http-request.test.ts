import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { createServer, IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { type BodyRequest, bodyRequestClass } from './http-request.ts';

/** What the server made of each request, and what came back, for pieces that are sent one after another. */
async function exchange(
  pieces: readonly string[],
  handle: (request: BodyRequest, answer: (text: string) => void) => void,
): Promise<string> {
  const server = createServer({ IncomingMessage: bodyRequestClass(IncomingMessage) });
  server.on('request', (request: BodyRequest, response: ServerResponse) =>
    handle(request, (text) => response.end(text)),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let received = '';
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
  });
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.end();
  await once(socket, 'close');
  server.close();
  return received;
}

function taken(request: BodyRequest, answer: (text: string) => void): boolean {
  const chunks: Buffer[] = [];
  return request.takeBody({
    chunk: (bytes) => chunks.push(bytes),
    ended: () => answer(`<${Buffer.concat(chunks).toString('latin1')}>`),
  });
}

const head = 'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n';

test('a body is taken, in one piece or several, and the connection goes on behind it', async () => {
  const received = await exchange([`${head}abcdef`, `${head}ab`, `cd`, `ef${head}ghijkl`], taken);
  assert.deepEqual(received.match(/<\w+>/g), ['<abcdef>', '<abcdef>', '<ghijkl>']);
});

test('what has begun as a stream is read as one', async () => {
  const received = await exchange([`${head}abc`, 'def'], (request, answer) => {
    setTimeout(() => {
      assert.equal(taken(request, answer), false);
      let text = '';
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      request.on('end', () => answer(`<${text}>`));
    }, 10);
  });
  assert.match(received, /<abcdef>/);
});
