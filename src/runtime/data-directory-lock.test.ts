import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { type TestContext, test } from 'node:test';
import { DataDirectoryLockedError, lockDataDirectory, lockFileName } from './data-directory-lock.ts';

function freshDirectory(context: TestContext): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'hale-lock-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const moduleUrl = new URL('./data-directory-lock.js', import.meta.url).href;

/** Another process that tries to take the lock, says how that went, and holds it until it is killed. */
function otherHolder(directory: string) {
  const script = `
    const { lockDataDirectory } = await import(${JSON.stringify(moduleUrl)});
    try { lockDataDirectory(${JSON.stringify(directory)}, 'other@host'); console.log('held'); setInterval(() => {}, 1000); }
    catch (error) { console.log(error.name); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const said = once(child.stdout, 'data').then(([chunk]) => String(chunk).trim());
  return { child, said };
}

test('a second open in the same process is refused and names the holder', (context) => {
  const directory = freshDirectory(context);
  const lock = lockDataDirectory(directory, 'one@host');
  assert.throws(
    () => lockDataDirectory(directory, 'two@host'),
    (error) => {
      assert.ok(error instanceof DataDirectoryLockedError);
      assert.equal(error.code, 'locked');
      assert.match(error.message, /in use by node one@host in this process/);
      return true;
    },
  );
  lock.release();
  lock.release();
  lockDataDirectory(directory, 'two@host').release();
  assert.deepEqual(readdirSync(directory), []);
});

test('another process is refused, and its lock is stale after kill -9', async (context) => {
  const directory = freshDirectory(context);
  const { child, said } = otherHolder(directory);
  assert.equal(await said, 'held');
  assert.throws(
    () => lockDataDirectory(directory, 'one@host'),
    new RegExp(`in use by node other@host in process ${child.pid}`),
  );
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(path.join(directory, lockFileName)));
  lockDataDirectory(directory, 'one@host').release();
  assert.deepEqual(readdirSync(directory), []);
});

test('a process id that was given to another process does not hold the lock', (context) => {
  const directory = freshDirectory(context);
  const lockPath = path.join(directory, lockFileName);
  const first = lockDataDirectory(directory, 'one@host');
  const holder = JSON.parse(readFileSync(lockPath, 'utf8'));
  first.release();
  if (holder.startTime === undefined) return context.skip('start times are known only on Linux');
  writeFileSync(lockPath, JSON.stringify({ ...holder, startTime: '1' }));
  lockDataDirectory(directory, 'two@host').release();
});

test('a torn lock is stale', (context) => {
  const directory = freshDirectory(context);
  writeFileSync(path.join(directory, lockFileName), '{"pid":');
  lockDataDirectory(directory, 'one@host').release();
});

test('of many processes that find a stale lock, one takes it', async (context) => {
  const directory = freshDirectory(context);
  const stale = { pid: 0, startTime: '1', nodeName: 'dead@host', nonce: '0123456789abcdef' };
  writeFileSync(path.join(directory, lockFileName), JSON.stringify(stale));
  const others = Array.from({ length: 6 }, () => otherHolder(directory));
  const outcomes = await Promise.all(others.map(({ said }) => said));
  for (const { child } of others) child.kill('SIGKILL');
  assert.deepEqual(outcomes.sort(), [...Array(5).fill('DataDirectoryLockedError'), 'held']);
});
