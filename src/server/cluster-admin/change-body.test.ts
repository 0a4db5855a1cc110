import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { AdminFailure } from './admin-failure.ts';
import { ChangeBody, parseSeed, stagedChangeIn } from './change-body.ts';
import { parsePlanId } from './plan-id.ts';

const bodyOf = (value: unknown): ChangeBody => ChangeBody.parse(Buffer.from(JSON.stringify(value)));

function isBadRequest(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof AdminFailure && error.status === 400 && message.test(error.message);
}

test('a body is a JSON object, or nothing', () => {
  ChangeBody.parse(Buffer.alloc(0)).done();
  for (const text of ['{', '[]', 'null', '"x"', '1']) {
    assert.throws(() => ChangeBody.parse(Buffer.from(text)), isBadRequest(/^the body is not/), text);
  }
});

test('names are texts of up to 255 bytes; a field that nobody asked for is an error', () => {
  assert.equal(bodyOf({ node: 'a@b' }).node('node'), 'a@b');
  assert.equal(bodyOf({}).optionalNode('node'), undefined);
  assert.throws(() => bodyOf({}).node('node'), isBadRequest(/lacks the field node/));
  for (const node of ['', 1, null, ['a'], 'ü'.repeat(128), 'a\nb', '\ud800']) {
    assert.throws(() => bodyOf({ node }).node('node'), isBadRequest(/^node must be/), String(node));
  }
  const body = bodyOf({ node: 'a@b', nod: 'c@d' });
  body.node('node');
  assert.throws(() => body.done(), isBadRequest(/unknown field "nod"/));
});

test('the node that is asked is meant where none is named; a gone one must be named', () => {
  const self = bodyOf({ self: 'self@host' }).node('self');
  assert.deepEqual(stagedChangeIn('leave', bodyOf({}), self), { kind: 'leave', node: self });
  assert.throws(() => stagedChangeIn('remove', bodyOf({}), self), isBadRequest(/lacks/));
  assert.deepEqual(stagedChangeIn('force-replace', bodyOf({ node: 'a@b', by: 'c@d' }), self), {
    kind: 'force-replace',
    node: 'a@b',
    by: 'c@d',
  });
  assert.deepEqual(stagedChangeIn('location', bodyOf({ location: '' }), self), {
    kind: 'location',
    node: self,
    location: undefined,
  });
});

test('a commit names its plan, or takes the one of now', () => {
  assert.deepEqual(bodyOf({}).commit(), { planOf: undefined, isForced: false });
  assert.deepEqual(bodyOf({ force: true, plan: '2.17' }).commit(), {
    planOf: { generation: 2, epoch: 17 },
    isForced: true,
  });
  assert.throws(() => bodyOf({ plan: 17 }).commit(), isBadRequest(/^plan must be/));
  assert.throws(() => bodyOf({ force: 'yes' }).commit(), isBadRequest(/^force must be/));
  for (const text of ['', '1', '1.', '.1', '1.2.3', '-1.2', '1e3.2']) {
    assert.equal(parsePlanId(text), undefined, text);
  }
});

test('a seed is an address; the port of nodes goes without saying', () => {
  assert.deepEqual(parseSeed('10.0.0.1:7'), { host: '10.0.0.1', port: 7 });
  assert.deepEqual(parseSeed('db-1.example'), { host: 'db-1.example', port: 8099 });
  assert.deepEqual(parseSeed('[::1]:70'), { host: '::1', port: 70 });
  for (const text of ['', 'a b', 'a:0', 'a:65536', '::1', 'name@host:1', 'a:1:2']) {
    assert.equal(parseSeed(text), undefined, text);
  }
});
