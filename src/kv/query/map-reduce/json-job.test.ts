import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJsonJob } from './json-job.ts';

const text = (arg: string) =>
  Buffer.from(`{"inputs":[],"query":[{"reduce":{"language":"javascript","name":"f","arg":${arg}}}]}`);

test('a job of many parts is refused, unless it may take more', () => {
  const job = text(`[${'{},'.repeat(400_000)}{}]`);
  assert.throws(() => parseJsonJob(job), {
    name: 'JobRefusal',
    part: 'value',
    message: 'a value of too many parts',
  });
  assert.equal(parseJsonJob(job, 2 ** 27).phases.length, 1);
  assert.throws(() => parseJsonJob(text('{}'), 100), { part: 'value' });
});

test('a job that is no JSON is refused in the words of the parser, one that is too long or too deep in others', () => {
  assert.throws(() => parseJsonJob(Buffer.from('{"inputs":')), {
    part: 'json',
    message: /^Unexpected end of JSON/,
  });
  assert.throws(() => parseJsonJob(text('['.repeat(100) + ']'.repeat(100))), {
    part: 'value',
    message: /too deep/,
  });
  assert.throws(() => parseJsonJob(Buffer.alloc(2 ** 29)), { part: 'value', message: /longer than/ });
});

test('what goes wrong otherwise is not the fault of the job', () => {
  const job = {
    toString() {
      throw new TypeError('a bug');
    },
  };
  assert.throws(() => parseJsonJob(job as unknown as Buffer), TypeError);
});
