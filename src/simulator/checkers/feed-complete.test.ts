import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actorId, VersionVector } from '../../clocks/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { FeedKnowledge } from './feed-complete.ts';

const actor = actorId(byteLiteral('vnode--1'), 1);
const clockAt = (counter: number) => VersionVector.empty.with({ actor, counter }, 0);
const now = new Map([['k', [2]]]);

test('F1: the state that is there now has to have come last', () => {
  const knowledge = new FeedKnowledge();
  assert.equal(knowledge.missing(now).length, 1);
  knowledge.heard('k', { ids: [1], clock: clockAt(1) });
  assert.equal(knowledge.missing(now).length, 1);
  knowledge.heard('k', { ids: [2], clock: clockAt(2) });
  assert.deepEqual(knowledge.missing(now), []);
});

test('F2: nothing older comes after something newer, but in another life', () => {
  const knowledge = new FeedKnowledge();
  knowledge.heard('k', { ids: [2], clock: clockAt(2) });
  knowledge.heard('k', { ids: [2], clock: clockAt(2) });
  assert.deepEqual(knowledge.violations, [], 'twice is no harm');
  knowledge.began();
  knowledge.heard('k', { ids: [1], clock: clockAt(1) });
  assert.deepEqual(knowledge.violations, []);
  knowledge.heard('k', { ids: [2], clock: clockAt(2) });
  knowledge.heard('k', { ids: [1], clock: clockAt(1) });
  assert.equal(knowledge.violations.length, 1);
});

test('F3: a gap excuses what was deleted before it, and nothing else', () => {
  const knowledge = new FeedKnowledge();
  knowledge.heard('k', { ids: [1], clock: clockAt(1) });
  knowledge.gap();
  assert.deepEqual(knowledge.missing(new Map([['k', []]])), []);
  assert.equal(knowledge.missing(now).length, 1);
  knowledge.heard('k', { ids: [1], clock: clockAt(1) });
  assert.equal(knowledge.missing(new Map([['k', []]])).length, 1, 'it came after the gap');
});
