import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import {
  decodeContent,
  decodeMessage,
  encodeContent,
  encodeFrame,
  encodeMessage,
  FrameReader,
  messageOfCode,
  rpbGetResp,
  rpbPutResp,
} from '../../../src/wire/index.ts';
import { observedBitcaskExchanges } from './observed-bitcask-frames.ts';
import { observedExchanges as observedLevelDbExchanges } from './observed-frames.ts';

const observedExchanges = [...observedLevelDbExchanges, ...observedBitcaskExchanges];

for (const { name, request, replies } of observedExchanges) {
  test(`observed frame: ${name}`, () => {
    const reader = new FrameReader(1024);
    reader.feed(Buffer.from(request, 'hex'));
    assert.equal(reader.next(), true);
    const asked = messageOfCode(reader.code);
    assert.ok(asked !== undefined, `code ${reader.code} is in the catalogue`);
    const decoded = decodeMessage(asked, reader.bytes, reader.start, reader.end);
    assert.equal(encodeFrame(asked, decoded as never).toString('hex'), request);

    for (const reply of replies) {
      const bytes = Buffer.from(reply, 'hex');
      const type = messageOfCode(bytes[0]!);
      assert.ok(type !== undefined, `code ${bytes[0]} is in the catalogue`);
      const message = decodeMessage(type, bytes, 1);
      assert.equal(encodeMessage(type, message as never).toString('hex'), reply.slice(2));
    }
  });
}

test('the contents that a Riak node answers with are in canonical form', () => {
  let checked = 0;
  for (const { replies } of observedExchanges) {
    for (const reply of replies.filter((hex) => hex.startsWith('0a') || hex.startsWith('0c'))) {
      const type = reply.startsWith('0a') ? rpbGetResp : rpbPutResp;
      for (const content of decodeMessage(type, Buffer.from(reply, 'hex'), 1).content) {
        assert.deepEqual(encodeContent(decodeContent(content)), content);
        checked += 1;
      }
    }
  }
  assert.ok(checked >= 8, `${checked} contents`);
});
