import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { scenarios } from '../src/simulator/index.ts';
import { mutants } from './mutant-table.ts';
import { mutated } from './plant-mutant.ts';
import { repositoryRoot } from './source-files.ts';

for (const mutant of mutants) {
  test(`the mutant ${mutant.name} can still be planted, and its scenario exists`, () => {
    const source = readFileSync(path.join(repositoryRoot, mutant.file), 'utf8');
    assert.notEqual(mutated(source, mutant), source);
    assert.ok(scenarios.some(({ name }) => name === mutant.scenario));
  });
}

test('a mutant whose place has gone, or is there twice, is refused', () => {
  const mutant = { ...mutants[0]!, from: 'a', to: 'b' };
  assert.equal(mutated('.a.', mutant), '.b.');
  assert.throws(() => mutated('...', mutant), /out of date/);
  assert.throws(() => mutated('.a.a.', mutant), /2 times/);
});
