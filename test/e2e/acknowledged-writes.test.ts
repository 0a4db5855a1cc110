/** The checker of the robustness tests must find what it looks for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyHistory, SiblingHistory } from './acknowledged-writes.ts';

test('a lost, an old, an unsent and a changed value are found; an unacknowledged one is allowed', () => {
  const history = new KeyHistory('b', 'k');
  history.check(undefined);
  const [first, second, third] = [history.nextPut(), history.nextPut(), history.nextPut()];
  history.acknowledged(second.number);
  history.check(second.value);
  history.check(third.value);
  assert.throws(() => history.check(undefined), /not found/);
  assert.throws(() => history.check(first.value), /found 1/);
  assert.throws(() => history.check(Buffer.from('k|4|')), /found 4/);
  assert.throws(() => history.check(Buffer.concat([second.value, second.value])), /other bytes/);
  const deleted = history.nextDelete();
  history.check(undefined);
  history.check(third.value);
  history.acknowledged(deleted);
  history.check(undefined);
  assert.throws(() => history.check(third.value), /found 3/);
  history.acknowledged(history.nextPut().number);
  assert.throws(() => history.check(undefined), /not found/);
});

test('a lost sibling and one that came back are found', () => {
  const history = new SiblingHistory('b', 'k');
  const [one, two] = [history.nextPut([]), history.nextPut([])];
  history.acknowledged(one.number);
  history.check([one.value]);
  history.check([one.value, two.value]);
  assert.throws(() => history.check([two.value]), /lost 0/);
  const both = history.nextPut([one.value, two.value]);
  history.check([one.value]);
  history.check([both.value]);
  history.acknowledged(both.number);
  assert.throws(() => history.check([one.value, both.value]), /0 is back/);
  assert.throws(() => history.check([]), /lost 2/);
  assert.throws(() => history.check([both.value, both.value]), /twice/);
});
