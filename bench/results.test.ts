import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSection } from './results.ts';

const document = '# Results\n\nWords.\n\n## tails\n\nold\n\n## tails-long\n\nkept\n';

test('a section takes the place of the one of its name, and of no other', () => {
  const after = withSection(document, 'tails', '## tails\n\nnew\n');
  assert.equal(after, '# Results\n\nWords.\n\n## tails\n\nnew\n\n## tails-long\n\nkept\n');
});

test('a section that is new comes last', () => {
  const after = withSection(document, 'peers', '## peers\n\nnew\n');
  assert.equal(after, `${document}\n## peers\n\nnew\n`);
});
