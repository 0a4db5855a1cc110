import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { trustedFolder } from './compiled-code.ts';

function scratch(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'hale-compiled-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('compiled code is kept in the data directory, which is made for its owner alone', (context) => {
  const data = path.join(realpathSync(scratch(context)), 'deep', 'data');
  const folder = trustedFolder(data, '1');
  assert.equal(folder, path.join(data, 'compiled', '1'));
  for (const made of [data, path.join(data, 'compiled'), folder]) {
    assert.equal(statSync(made).mode & 0o777, 0o700, made);
  }
  assert.equal(trustedFolder(data, '1'), folder);
  const link = path.join(scratch(context), 'link');
  symlinkSync(data, link);
  assert.equal(trustedFolder(link, '1'), folder);
});

test('of other versions nothing is left, and nothing beside the folder is touched', (context) => {
  const data = scratch(context);
  const old = trustedFolder(data, '1')!;
  writeFileSync(path.join(old, 'code'), 'x');
  writeFileSync(path.join(data, 'beside'), 'x');
  const folder = trustedFolder(data, '2')!;
  assert.deepEqual([existsSync(old), existsSync(folder)], [false, true]);
  assert.ok(existsSync(path.join(data, 'beside')));
});

test('a directory that others can write to, a link and a file are not trusted', (context) => {
  for (const mode of [0o777, 0o770, 0o702]) {
    const data = path.join(scratch(context), 'data');
    mkdirSync(data);
    chmodSync(data, mode);
    assert.equal(trustedFolder(data, '1'), undefined, mode.toString(8));
    assert.equal(existsSync(path.join(data, 'compiled')), false);
  }
  const opened = scratch(context);
  mkdirSync(path.join(opened, 'compiled'));
  chmodSync(path.join(opened, 'compiled'), 0o777);
  assert.equal(trustedFolder(opened, '1'), undefined);
  const linked = scratch(context);
  symlinkSync(scratch(context), path.join(linked, 'compiled'));
  assert.equal(trustedFolder(linked, '1'), undefined);
  const file = path.join(scratch(context), 'data');
  writeFileSync(file, 'x');
  assert.equal(trustedFolder(file, '1'), undefined);
});
