import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { violationsOf } from './layer-rules.ts';
import { dynamicImports, machineGlobals, modules } from './layer-table.ts';
import { sourceFacts } from './source-facts.ts';
import { repositoryRoot } from './source-files.ts';

const violations = (path: string, ...lines: readonly string[]): readonly string[] =>
  violationsOf(path, sourceFacts(path, lines.join('\n'))).map(({ line, message }) => `${line}: ${message}`);

function assertClean(path: string, ...lines: readonly string[]): void {
  assert.deepEqual(violations(path, ...lines), []);
}

/** One violation, at this line, for this reason. */
function assertViolation(expected: RegExp, path: string, ...lines: readonly string[]): void {
  const found = violations(path, ...lines);
  assert.equal(found.length, 1, `one violation, not ${JSON.stringify(found)}`);
  assert.match(found[0]!, expected);
}

/** The module table, written out once more as sentences, so that neither changes by accident. */
const allowed: ReadonlyMap<string, string> = new Map([
  ['stdx', ''],
  ['environment', 'stdx'],
  ['config', 'stdx'],
  ['clocks', 'stdx'],
  ['wire', 'stdx'],
  ['crdt', 'stdx clocks'],
  ['merkle', 'stdx'],
  ['consensus', 'stdx'],
  ['wal', 'stdx environment'],
  ['storage', 'stdx environment'],
  ['sandbox', 'stdx'],
  ['core', 'stdx environment clocks wire merkle consensus wal'],
  ['kv', 'stdx environment clocks wire merkle consensus wal storage crdt core sandbox'],
  ['api', 'stdx wire kv core'],
  [
    'server',
    'stdx environment config clocks wire crdt merkle consensus wal storage sandbox core kv api client',
  ],
  ['runtime', 'stdx environment storage sandbox'],
  ['client', 'stdx wire clocks crdt'],
  ['cli', 'config server runtime client'],
  [
    'simulator',
    'stdx environment config clocks wire crdt merkle consensus wal storage sandbox core kv api server client',
  ],
]);

test('every pair of modules: an import of a value is a violation exactly when its row does not allow it', () => {
  assert.deepEqual([...modules.keys()].sort(), [...allowed.keys()].sort());
  for (const [module, names] of allowed) {
    for (const target of modules.keys()) {
      if (target === module) continue;
      const found = violations(`src/${module}/a.ts`, `import { x } from '../${target}/index.ts';`);
      assert.equal(
        found.length === 0,
        names.split(' ').includes(target),
        `${module} imports ${target}: ${found.join('; ')}`,
      );
    }
  }
});

test('the table has no cycle', () => {
  for (const module of modules.keys()) {
    const seen = new Set<string>();
    const pending = [...(modules.get(module)?.imports ?? []), ...(modules.get(module)?.types ?? [])];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      assert.notEqual(name, module, `${module} reaches itself`);
      if (seen.has(name)) continue;
      seen.add(name);
      pending.push(...(modules.get(name)?.imports ?? []), ...(modules.get(name)?.types ?? []));
    }
  }
});

test('a row that allows types allows nothing else', () => {
  assertClean('src/core/a.ts', `import type { C } from '../config/index.ts';`);
  assertViolation(
    /^2: core may import only types of config/,
    'src/core/a.ts',
    '',
    `import { C } from '../config/index.ts';`,
  );
});

test('a module is imported by its public face', () => {
  assertViolation(/public face of clocks/, 'src/kv/a.ts', `import { x } from '../clocks/dot.ts';`);
  assertViolation(/public face of stdx/, 'src/kv/a.ts', `import { x } from '../stdx/heap/index.ts';`);
  assertClean('src/kv/object/a.ts', `import { x } from '../../core/ring/index.ts';`);
  assertViolation(/public face of core/, 'src/kv/a.ts', `import { x } from '../core/ring/claim.ts';`);
  assertClean('src/kv/a.test.ts', `import { x } from '../storage/log/log-engine.fixture.ts';`);
  assertViolation(/public face of storage/, 'src/kv/a.ts', `import { x } from '../storage/a.fixture.ts';`);
  assertClean('src/kv/vnode/a.ts', `import { x } from '../object/dot.ts';`);
});

test('relative imports end in .ts', () => {
  assertViolation(/end in \.ts/, 'src/kv/a.ts', `import { x } from '../clocks/index.js';`);
  assertViolation(/end in \.ts/, 'src/kv/a.ts', `import { x } from './b';`);
});

test('the machine is known to runtime, cli and the clockwork of the simulator alone', () => {
  const uses: readonly string[] = machineGlobals.map(({ name }) =>
    name.endsWith(')') ? name : `f(${name})`,
  );
  for (const use of uses) {
    assert.ok(violations('src/kv/a.ts', `${use};`).length >= 1, `${use} in kv`);
    assert.ok(violations('src/simulator/network.ts', `${use};`).length >= 1, `${use} in simulator`);
    assertClean('src/runtime/a.ts', `${use};`);
    assertClean('src/cli/a.ts', `${use};`);
  }
  assertClean('src/simulator/world.ts', 'setImmediate(f);');
  assertViolation(/Date.now is the machine/, 'src/simulator/world.ts', 'f(Date.now());');
  assertViolation(
    /^1: Date.now is the machine: use environment.clock/,
    'src/server/a.ts',
    'export const at = () => Date.now();',
  );
  assertViolation(/'node:fs'/, 'src/storage/a.ts', `import { readFileSync } from 'node:fs';`);
  assertViolation(
    /'node:timers\/promises'/,
    'src/kv/a.ts',
    `import { setTimeout } from 'node:timers/promises';`,
  );
});

test('pure parts of the standard library are allowed by name', () => {
  assertClean(
    'src/core/ring/a.ts',
    `import { hash } from 'node:crypto';`,
    `import { crc32 } from 'node:zlib';`,
  );
  assertViolation(
    /'randomBytes' of node:crypto/,
    'src/core/ring/a.ts',
    `import { randomBytes } from 'node:crypto';`,
  );
  assertViolation(/'\*' of node:crypto/, 'src/core/ring/a.ts', `import * as crypto from 'node:crypto';`);
});

test('pure code does not wait, and takes only types from environment', () => {
  assertViolation(/^1: async in pure code/, 'src/clocks/a.ts', 'export async function f(): Promise2 {}');
  assertViolation(/^2: Promise in pure code/, 'src/core/ring/a.ts', '', 'export type P = Promise<number>;');
  assertClean('src/core/vnode/a.ts', 'export async function f(): Promise<void> {}');
  assertClean('src/core/ring/a.ts', `import type { NodeId } from '../../environment/index.ts';`);
  assertViolation(
    /only types from environment/,
    'src/core/ring/a.ts',
    `import { nodeIdOf } from '../../environment/index.ts';`,
  );
  assertClean(
    'src/clocks/a.test.ts',
    `import { test } from 'node:test';`,
    'await test("x", async () => {});',
  );
});

test('packages are allowed by module', () => {
  assertClean('src/storage/leveldb/a.ts', `import { ClassicLevel } from 'classic-level';`);
  assertViolation(
    /package 'classic-level' in kv/,
    'src/kv/a.ts',
    `import { ClassicLevel } from 'classic-level';`,
  );
  assertClean('src/client/a.ts', `import type { StandardSchemaV1 } from '@standard-schema/spec';`);
  assertViolation(/package '@a\/b' in client/, 'src/client/a.ts', `import { c } from '@a/b/c';`);
  assertViolation(
    /package 'fast-check'/,
    'src/storage/storage-engine-conformance.ts',
    `import fc from 'fast-check';`,
  );
  assertClean('src/kv/a.test.ts', `import fc from 'fast-check';`);
});

test('only tests import the simulator, and tests reach what their module reaches', () => {
  assertViolation(/only tests may/, 'src/server/a.ts', `import { World } from '../simulator/index.ts';`);
  assertClean('src/server/a.test.ts', `import { World } from '../simulator/index.ts';`);
  assertClean('src/api/http/a.test.ts', `import { openMemoryEngine } from '../../storage/index.ts';`);
  assertClean('src/storage/a.test.ts', `import { nodeEnvironment } from '../runtime/index.ts';`);
  assertViolation(/clocks may not import kv/, 'src/clocks/a.test.ts', `import { x } from '../kv/index.ts';`);
  assertViolation(
    /public face of storage/,
    'src/kv/a.test.ts',
    `import { x } from '../storage/group-commit.ts';`,
  );
});

test('a test has no chance that cannot be replayed', () => {
  assertViolation(/could not be replayed/, 'src/kv/a.test.ts', 'f(Math.random());');
  assertClean('src/kv/a.test.ts', 'setTimeout(f, 1);', `import { mkdtempSync } from 'node:fs';`);
});

test('conformance suites ship: of the standard library they have the pure parts and the test runner', () => {
  assertClean('src/storage/a-conformance.ts', `import { test } from 'node:test';`);
  assertViolation(/outside a test/, 'src/storage/a.ts', `import { test } from 'node:test';`);
  assertViolation(/is the machine/, 'src/storage/a-conformance.ts', `import { rm } from 'node:fs/promises';`);
});

test('entry points compose client, server, runtime and config, and nothing imports them', () => {
  assertClean(
    'src/index.ts',
    `export { open } from './client/index.ts';`,
    `import { startNode } from './server/index.ts';`,
  );
  assertViolation(/may not import kv/, 'src/index.ts', `import { x } from './kv/index.ts';`);
  assertViolation(/nothing imports it/, 'src/server/a.ts', `import { open } from '../index.ts';`);
  assertClean('test/e2e/a.test.ts', `import { open } from '../../src/index.ts';`);
});

test('an example imports public subpaths alone', () => {
  assertClean('examples/a.ts', `import { open } from 'hale';`, `import { z } from 'zod';`);
  assertViolation(/one public subpath/, 'examples/a.ts', `import { open } from '../src/index.ts';`);
  assertViolation(
    /exactly one/,
    'examples/a.ts',
    `import { a } from 'hale/core';`,
    `import { b } from 'hale/client';`,
  );
  assertViolation(/is not a public subpath/, 'examples/a.ts', `import { a } from 'hale/kv';`);
  assertViolation(/by relative path/, 'src/server/a.ts', `import { open } from 'hale';`);
});

test('names, default exports and module state', () => {
  assertViolation(/'util' names no concept/, 'src/kv/util.ts', '');
  assertViolation(/'helpers' names no concept/, 'src/kv/string-helpers.ts', '');
  assertViolation(/'common' names no concept/, 'src/kv/common/a.ts', '');
  assertClean('src/wire/messages/data-types.ts', '');
  assertViolation(/'sql' has no row/, 'src/sql/index.ts', '');
  assertViolation(/^1: default export/, 'src/kv/a.ts', 'export default 1;');
  assertViolation(/^1: default export/, 'src/kv/a.ts', 'export { f as default };', 'function f() {}');
  assertViolation(/^1: let at module level/, 'src/kv/a.ts', 'let count = 0;');
});

test('what ships does not import what does not', () => {
  assertViolation(/outside src/, 'src/kv/a.ts', `import { x } from '../../scripts/layer-table.ts';`);
  assertViolation(/is for tests/, 'src/kv/a.ts', `import { x } from './b.fixture.ts';`);
  assertClean('src/kv/a.test.ts', `import { x } from './b.fixture.ts';`);
  assertViolation(/is a test/, 'src/kv/a.ts', `import { x } from './b.test.ts';`);
  assertViolation(
    /import of an expression/,
    'src/kv/a.ts',
    'export const f = (name: string) => import(name);',
  );
});

test('what the simulator can reach loads nothing while it runs', () => {
  const load = `export const f = () => import('../kv/index.ts');`;
  assertViolation(/^1: .* no seed replays that/, 'src/server/a.ts', load);
  assertViolation(/no seed replays that/, 'src/simulator/a.ts', load);
  assertClean('src/cli/a.ts', `export const f = () => import('../server/index.ts');`);
  assertClean('src/kv/a.test.ts', load);
  assertClean('src/server/a.ts', `export type F = typeof import('../kv/index.ts');`);
  assertClean(
    'src/server/prometheus-text.ts',
    `export const f = () => import('prom-client/lib/registry.js');`,
  );
});

test('what may be loaded while a program runs is loaded so', () => {
  for (const [file, specifiers] of dynamicImports) {
    const { imports } = sourceFacts(file, readFileSync(path.join(repositoryRoot, file), 'utf8'));
    const loaded = imports.filter(({ isDynamic }) => isDynamic).map(({ specifier }) => specifier);
    assert.deepEqual(new Set(loaded), specifiers, file);
  }
});
