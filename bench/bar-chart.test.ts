import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barChartOf } from './bar-chart.ts';

const table = [
  'Words before it.',
  '',
  '| server | value | CPU µs |',
  '|---|---:|---:|',
  '| a & b | 100 | 4.5 |',
  '| c | 1,024 | 1,009.25 |',
  '| d | 1 | not measured |',
].join('\n');

test('a bar for each row that has a number, named by the columns asked for', () => {
  const svg = barChartOf('cost', table, { names: ['server', 'value'], value: 'CPU µs' });
  assert.ok(svg !== undefined);
  assert.ok(svg.startsWith('<svg '));
  assert.equal(svg.match(/fill="#1f77b4"/g)?.length, 2);
  assert.match(svg, />a &amp; b, 100</);
  assert.match(svg, />1009\.25</);
  assert.doesNotMatch(svg, />d, 1</);
});

test('no picture of a column that is not there', () => {
  assert.equal(barChartOf('cost', table, { names: ['server'], value: 'op/s' }), undefined);
  assert.equal(barChartOf('cost', table, { names: ['node'], value: 'CPU µs' }), undefined);
  assert.equal(barChartOf('cost', 'no table', { names: [], value: 'x' }), undefined);
});
