import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { SeedWorkers } from './seed-workers.ts';

const program = path.join(import.meta.dirname, 'seed-worker.fixture.js');
const runOf = (scenario: string, seed = 1) => ({ scenario, seed, twice: false });

test('a process runs one seed after the other, until it has grown too large', async () => {
  const workers = new SeedWorkers({ atOnce: 1, program, residentBytesMax: 100 });
  try {
    const pids: (string | undefined)[] = [];
    for (const bytes of [1, 99, 101, 1]) pids.push((await workers.run(runOf('works', bytes))).lines[0]);
    assert.equal(pids[0], pids[1]);
    assert.equal(pids[1], pids[2]);
    assert.notEqual(pids[2], pids[3]);
  } finally {
    workers.kill();
  }
});

test('a run that takes its process down has failed, and says how to repeat it; others go on', async () => {
  const workers = new SeedWorkers({ atOnce: 3, program });
  try {
    const [died, killed, passed] = await Promise.all([
      workers.run(runOf('dies', 4)),
      workers.run(runOf('is killed', 5)),
      workers.run(runOf('works', 6)),
    ]);
    assert.deepEqual(died.lines, [
      '    | out of memory',
      '  FAILED: the process that ran seed 4 ended with code 7',
      '  repeat: npm run sim -- --scenario dies --seed 4',
    ]);
    assert.equal(killed.lines[0], '  FAILED: the process that ran seed 5 ended with SIGKILL');
    assert.deepEqual([died.verdict, killed.verdict, passed.verdict], ['failed', 'failed', 'passed']);
    assert.equal((await workers.run(runOf('works'))).verdict, 'passed');
  } finally {
    workers.kill();
  }
});

test('what is under way is known, and ends when asked to', async () => {
  const workers = new SeedWorkers({ atOnce: 2, program });
  const never = workers.run(runOf('never ends', 8));
  assert.deepEqual(
    workers.underWay.map(({ seed }) => seed),
    [8],
  );
  workers.kill();
  assert.deepEqual(workers.underWay, []);
  const unanswered = Symbol('unanswered');
  assert.equal(await Promise.race([never, Promise.resolve(unanswered)]), unanswered);
});

test('the command runs seeds in processes as it does in one, and an interrupt names what was under way', async () => {
  const sim = path.join(import.meta.dirname, 'sim.js');
  const args = [
    '--scenario',
    'network-laws',
    '--scenario',
    'canary-ack-before-sync',
    '--seed',
    '3',
    '--count',
    '3',
  ];
  const inOne = await outputOf([sim, ...args, '--jobs', '1']);
  const inThree = await outputOf([sim, ...args, '--jobs', '3', '--twice']);
  assert.deepEqual(inThree.lines.slice(0, -1), inOne.lines.slice(0, -1));
  assert.match(inThree.lines.at(-1)!, /a minute of processor time; all good/);
  const endless = ['--scenario', 'growth-month', '--seed', '1', '--count', '2', '--jobs', '2'];
  const interrupted = await outputOf([sim, ...endless], /seed 1$/);
  assert.equal(interrupted.code, 130);
  assert.match(interrupted.lines.join('\n'), /SIGINT while growth-month, seed 1 ran/);
});

async function outputOf(args: readonly string[], interruptAt?: RegExp) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (interruptAt?.test(line)) child.kill('SIGINT');
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  return { lines, code };
}
