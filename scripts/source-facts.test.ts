import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SourceError, sourceFacts } from './source-facts.ts';

const facts = (...lines: readonly string[]) => sourceFacts('src/kv/sample.ts', lines.join('\n'));
const globals = (...lines: readonly string[]) =>
  facts(...lines).globals.map(({ line, name }) => `${line} ${name}`);
const asynchronous = (...lines: readonly string[]) =>
  facts(...lines).asynchronous.map(({ line, name }) => `${line} ${name}`);

test('imports of every form are found with line, names and whether types alone', () => {
  const found = facts(
    `import a, { b as c } from './one.ts';`,
    `import type { T } from './two.ts';`,
    `import { type U, type V } from './three.ts';`,
    `import { type W, w } from './four.ts';`,
    `import * as five from 'node:zlib';`,
    `import './six.ts';`,
    `export { x as y } from './seven.ts';`,
    `export * from './eight.ts';`,
    `export type { Z } from './nine.ts';`,
    `const ten = await import('./ten.ts');`,
    `type E = import('./eleven.ts').E;`,
    `const twelve = await import(ten);`,
  ).imports;
  assert.deepEqual(
    found.map(({ line, specifier, typesOnly, names }) => [line, specifier, typesOnly, names.join(' ')]),
    [
      [1, './one.ts', false, 'default b'],
      [2, './two.ts', true, 'T'],
      [3, './three.ts', true, 'U V'],
      [4, './four.ts', false, 'W w'],
      [5, 'node:zlib', false, '*'],
      [6, './six.ts', false, ''],
      [7, './seven.ts', false, 'x'],
      [8, './eight.ts', false, '*'],
      [9, './nine.ts', true, 'Z'],
      [10, './ten.ts', false, '*'],
      [11, './eleven.ts', true, '*'],
      [12, undefined, false, '*'],
    ],
  );
  const isDynamic = found.filter((fact) => fact.isDynamic);
  assert.deepEqual(
    isDynamic.map(({ line }) => line),
    [10, 12],
  );
});

test('comments, strings, templates and regular expressions say nothing', () => {
  const { imports, globals: found } = facts(
    `// import { a } from './a.ts'; process.exit()`,
    `/* Date.now() */`,
    `export const text = "import { b } from './b.ts'; setTimeout(f)";`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the sample is a template
    'export const template = `Math.random() ${text} import("./c.ts")`;',
    `export const pattern = /process.exit('/;`,
  );
  assert.deepEqual(imports, []);
  assert.ok(!found.some(({ name }) => ['process', 'Date.now', 'setTimeout', 'Math.random'].includes(name)));
});

test('code inside a template is code', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the sample is a template
  assert.deepEqual(globals('export const t = `at ${Date.now()}`;'), ['1 Date', '1 Date.now']);
});

test('globals are told from members, keys, types and names that the file binds', () => {
  assert.deepEqual(globals('export const f = (x: { process: number }) => x.process;'), []);
  assert.deepEqual(globals('export const o = { process: 1, console() {} };'), []);
  assert.deepEqual(globals('export class C { process = 1; setTimeout(): void {} }'), []);
  assert.deepEqual(globals('export const f = (process: { kill(): void }) => process.kill();'), []);
  assert.deepEqual(
    globals('export const f = ({ process }: P) => process;', 'interface P { process: 1 }'),
    [],
  );
  assert.deepEqual(globals(`import { setTimeout } from './timers.ts';`, 'setTimeout();'), []);
  assert.deepEqual(globals('export type F = (process: string) => void;'), []);
});

test('globals are found where they stand', () => {
  assert.deepEqual(globals('export const o = { process };'), ['1 process']);
  assert.deepEqual(globals('', 'setTimeout(() => {}, 1);'), ['2 setTimeout']);
  assert.deepEqual(globals(`export const n = Math['random']();`), ['1 Math', '1 Math.random']);
  assert.deepEqual(globals('export const d = new Date();'), ['1 Date', '1 new Date()']);
  assert.deepEqual(globals('export const d = Date();'), ['1 Date', '1 Date()']);
  assert.deepEqual(globals('export const d = new Date(0);'), ['1 Date']);
  assert.deepEqual(globals('export const f = (now = Date.now) => now();'), ['1 Date', '1 Date.now']);
  assert.deepEqual(globals('export const g = globalThis.process;'), ['1 globalThis', '1 globalThis.process']);
});

test('async code is found in every form, as value and as type', () => {
  assert.deepEqual(asynchronous('export async function f() {', '  await 1;', '}'), ['1 async', '2 await']);
  assert.deepEqual(asynchronous('export const f = async () => {};'), ['1 async']);
  assert.deepEqual(asynchronous('export class C { async m() {} }'), ['1 async']);
  assert.deepEqual(asynchronous('export type P = Promise<number>;'), ['1 Promise']);
  assert.deepEqual(asynchronous('export const p = Promise.resolve(1);'), ['1 Promise']);
  assert.deepEqual(asynchronous('export interface A extends AsyncIterable<number> {}'), ['1 AsyncIterable']);
  assert.deepEqual(asynchronous('export const x = { async: 1, await: 2, Promise: 3 };'), []);
});

test('default exports and module variables are found', () => {
  const found = facts(
    'export let a = 1;',
    'let b = 2;',
    'var c = b;',
    'export default function f() {',
    '  let d = c;',
    '  return d;',
    '}',
  );
  assert.deepEqual(found.defaultExports, [4]);
  assert.deepEqual(
    found.moduleVariables.map(({ line, name }) => `${line} ${name}`),
    ['1 let', '2 let', '3 var'],
  );
});

test('what is not TypeScript is an error with its line', () => {
  assert.throws(
    () => facts('const a = 1;', 'const = 2;'),
    (error) => error instanceof SourceError && error.line === 2,
  );
});
