import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { modules, publicSubpaths } from './layer-table.ts';
import { repositoryRoot } from './source-files.ts';

const read = (file: string): string => readFileSync(path.join(repositoryRoot, file), 'utf8');

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
}
interface LockedPackage {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(read('package.json')) as Manifest;

test('.ci/run runs the test command of the README', () => {
  const command = read('.ci/run').trimEnd().split('\n').at(-1)!;
  assert.ok(read('README.md').split('\n').includes(command), `README.md has no line '${command}'`);
});

test('the lock file names no registry host', () => {
  assert.doesNotMatch(read('package-lock.json'), /"resolved"/);
});

test('the lock file holds the packages of every platform: npm ci refuses one that misses some', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const optional = Object.entries(packages).flatMap(([folder, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {}).map((name) => ({ folder, name })),
  );
  assert.ok(optional.length > 0);
  for (const { folder, name } of optional) {
    const locked = packages[`node_modules/${name}`] ?? packages[`${folder}/node_modules/${name}`];
    assert.notEqual(locked?.version, undefined, `${name} of ${folder} is not locked`);
  }
});

test('.gitignore hides folders of the root alone, and none of the sources', () => {
  const folders = read('.gitignore')
    .split('\n')
    .filter((line) => line.endsWith('/') && line !== 'node_modules/');
  assert.ok(folders.length > 0);
  for (const folder of folders) assert.ok(folder.startsWith('/'), `${folder} also hides src/**/${folder}`);
});

test('every dependency is in the layer table, and the other way round', () => {
  const allowed = [...modules.values()].flatMap((row) => row.packages ?? []);
  const named = { ...manifest.dependencies, ...manifest.optionalDependencies };
  assert.deepEqual([...new Set(allowed)].sort(), Object.keys(named).sort());
});

test('every dependency is recorded in docs/decisions.md', () => {
  const firstCells = [...read('docs/decisions.md').matchAll(/^\|([^|]*)\|/gm)]
    .map(([, cell]) => cell!)
    .join(' ');
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
    assert.ok(firstCells.includes(`\`${name}\``), `docs/decisions.md has no row for ${name}`);
  }
});

test('every exported subpath is public in the layer table', () => {
  for (const subpath of Object.keys(manifest.exports)) {
    if (subpath.endsWith('.json')) continue;
    assert.ok(publicSubpaths.has(path.posix.join('hale', subpath)), `${subpath} is not in publicSubpaths`);
  }
});

test('every npm command that CONTRIBUTING.md names exists', () => {
  const named = [...read('CONTRIBUTING.md').matchAll(/npm run ([a-z0-9:]+)/g)].map(([, name]) => name!);
  assert.ok(named.length >= 5, 'CONTRIBUTING.md names the commands');
  for (const name of named) assert.ok(name in manifest.scripts, `no script '${name}'`);
});
