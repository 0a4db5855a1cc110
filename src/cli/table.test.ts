import assert from 'node:assert/strict';
import { test } from 'node:test';
import { table } from './table.ts';

test('columns line up, and lines have no trailing blanks', () => {
  assert.equal(
    table([['node', 'a@b'], ['storage_health', 'healthy', ''], ['x']]),
    'node            a@b\nstorage_health  healthy\nx\n',
  );
  assert.equal(table([]), '');
});

test('a value cannot steer the terminal', () => {
  assert.equal(table([['a', '\u001b[2Jb']]), 'a  \ufffd[2Jb\n');
});
