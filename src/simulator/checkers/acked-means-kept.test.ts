import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CausalOrder, checkAckedMeansKept, type RegisterWrite } from './acked-means-kept.ts';

/** Versions in one line of descent: a larger number knew all smaller ones. */
const line: CausalOrder<number> = { descends: (later, earlier) => later >= earlier, nameOf: String };
/** Versions that know nothing of each other. */
const concurrent: CausalOrder<number> = { descends: (later, earlier) => later === earlier, nameOf: String };

function write(version: number, outcome: RegisterWrite<number>['outcome']): RegisterWrite<number> {
  return { key: 'k', version, outcome };
}

test('an acked write is kept by itself or by a descendant', () => {
  const writes = [write(1, 'acked'), write(2, 'acked'), write(3, 'unknown')];
  assert.deepEqual(checkAckedMeansKept(writes, new Map([['k', [2]]]), line), []);
  assert.deepEqual(checkAckedMeansKept(writes, new Map([['k', [3]]]), line), []);
});

test('an acked write that is gone is lost, also when its key is', () => {
  const lost = [{ kind: 'lost', key: 'k', version: '2' }];
  const writes = [write(1, 'acked'), write(2, 'acked')];
  assert.deepEqual(checkAckedMeansKept(writes, new Map([['k', [1]]]), line), lost);
  assert.deepEqual(checkAckedMeansKept([write(2, 'acked')], new Map(), line), lost);
});

test('a sibling must stay beside its siblings', () => {
  const writes = [write(1, 'acked'), write(2, 'acked')];
  assert.deepEqual(checkAckedMeansKept(writes, new Map([['k', [1, 2]]]), concurrent), []);
  assert.equal(checkAckedMeansKept(writes, new Map([['k', [2]]]), concurrent).length, 1);
});

test('a write of unknown outcome may be missing; a refused one may not be there', () => {
  assert.deepEqual(checkAckedMeansKept([write(1, 'unknown')], new Map([['k', []]]), line), []);
  const invented = [{ kind: 'invented', key: 'k', version: '1' }];
  assert.deepEqual(checkAckedMeansKept([write(1, 'refused')], new Map([['k', [1]]]), line), invented);
  assert.deepEqual(checkAckedMeansKept([], new Map([['k', [1]]]), line), invented);
});
