import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonCodec } from './json-codec.ts';
import type { Outcome } from './outcome.ts';

const isText = (value: unknown): value is string => typeof value === 'string';
const codec = jsonCodec<string, string>(isText);

function written(length: number, write: (into: Buffer, at: number) => void): Buffer {
  const into = Buffer.alloc(length + 2, 0x2a);
  write(into, 1);
  assert.ok(into[0] === 0x2a && into[length + 1] === 0x2a, 'no byte beside its place');
  return into.subarray(1, length + 1);
}

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const request = written(codec.requestBytes(text), (into, at) => codec.writeRequest(text, into, at));
      assert.equal(codec.readRequest(request), text);
      const outcomes: Outcome<string>[] = [{ kind: 'answer', answer: text }, codec.moved(7)];
      for (const outcome of [...outcomes, codec.unanswered('timeout')]) {
        const reply = written(codec.replyBytes(outcome), (into, at) => codec.writeReply(outcome, into, at));
        assert.deepEqual(codec.readReply(reply), outcome);
      }
    }),
  );
});

test('what is no message is malformed', () => {
  for (const text of ['', '{', '7', 'null']) {
    assert.equal(codec.readRequest(Buffer.from(text)), undefined);
    assert.equal(codec.readReply(Buffer.from(text)), undefined);
  }
  assert.equal(codec.readReply(Buffer.from('{"kind":"answer"}')), undefined);
});
