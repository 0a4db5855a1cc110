import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as setImmediatePromise } from 'node:timers/promises';
import { type RunnerOptions, runScenarios } from './run-scenarios.ts';
import type { SeedReport, SeedRunner } from './run-seed.ts';
import type { Scenario } from './scenario.ts';
import { scenarioNamed } from './scenarios/index.ts';

async function runPrinted(list: readonly Scenario[], options: Partial<RunnerOptions> = {}) {
  const lines: string[] = [];
  const host = {
    print: (line: string) => lines.push(line),
    onUnhandled: () => undefined,
    now: () => 0,
    cpuMs: () => 0,
  };
  const areAllGood = await runScenarios(
    { scenarios: list, firstSeed: 77, count: 1, twice: false, ...options },
    host,
  );
  return { areAllGood, text: lines.join('\n'), lines };
}

function scenario(run: Scenario['run'], mustFail?: Scenario['mustFail']): Scenario {
  return { name: 'story', describe: 'a story', run, ...(mustFail && { mustFail }) };
}

test('scenarios hold, twice alike, and the canary is found', async () => {
  // One of each kind; `npm run check` has a step that plays all of them.
  const names = ['network-laws', 'disk-laws', 'node-crash', 'replicated-registers', 'canary-ack-before-sync'];
  const few = names.map((name) => scenarioNamed(name));
  const { areAllGood, text } = await runPrinted(few, { count: 2, twice: true });
  assert.ok(areAllGood, text);
  assert.match(text, /found, as it must be: .*acked writes were lost/);
});

test('a failure names its seed before and its command after', async () => {
  const failing = scenario(async (world) => {
    world.record('a', 'deed', 'the last one');
    throw new Error('the law is broken');
  });
  const { areAllGood, lines, text } = await runPrinted([failing]);
  assert.equal(areAllGood, false);
  assert.equal(lines[1], '  seed 77');
  assert.match(text, /a deed the last one/);
  assert.match(text, /FAILED: .*the law is broken/);
  assert.match(text, /repeat: npm run sim -- --scenario story --seed 77$/m);
});

test('a rejection that nobody awaits fails the run that it happened in', async () => {
  let reject: (error: unknown) => void = () => undefined;
  const host = {
    print: (line: string) => lines.push(line),
    onUnhandled: (listener: (error: unknown) => void) => {
      reject = listener;
    },
    now: () => 0,
    cpuMs: () => 0,
  };
  const lines: string[] = [];
  const floating = scenario(async (world) => {
    world.work.atLeast('nothing', 0);
    world.after(1, () => reject(new Error('assertion in a floating promise')));
    await world.sleep(5);
  });
  const options = { scenarios: [floating], firstSeed: 5, count: 1, twice: false };
  assert.equal(await runScenarios(options, host), false);
  assert.match(lines.join('\n'), /FAILED: .*assertion in a floating promise[\s\S]*--seed 5/);
});

test('a scenario that does nothing fails', async () => {
  const silent = await runPrinted([scenario(async () => undefined)]);
  assert.match(silent.text, /does not say how much work/);
  const idle = await runPrinted([scenario(async (world) => world.work.atLeast('puts', 1))]);
  assert.match(idle.text, /too little work: did 0 puts, not 1/);
  assert.equal(silent.areAllGood || idle.areAllGood, false);
});

test('a canary that is not found fails, also if something else did fail', async () => {
  const canary = { withinSeeds: 4, message: /planted/ };
  const survives = await runPrinted([scenario(async (world) => world.work.atLeast('x', 0), canary)]);
  assert.equal(survives.areAllGood, false);
  assert.match(survives.text, /not found in 4 seeds/);
  const other = scenario(async () => {
    throw new Error('another bug');
  }, canary);
  assert.equal((await runPrinted([other])).areAllGood, false);
});

test('a scenario that is not the same twice fails', async () => {
  let runs = 0;
  const restless = scenario(async (world) => {
    world.work.atLeast('x', 0);
    world.record('a', 'run', String(runs++));
  });
  const { areAllGood, text } = await runPrinted([restless], { twice: true });
  assert.equal(areAllGood, false);
  assert.match(text, /seed 77 ran in two ways[\s\S]*--seed 77 --twice/);
});

test('the engine of all nodes may be chosen, and the command says so', async () => {
  const engines: unknown[] = [];
  const failing = scenario(async (world) => {
    engines.push(world.engine);
    throw new Error('the law is broken');
  });
  const { text } = await runPrinted([failing], { engine: 'log' });
  assert.deepEqual(engines, ['log']);
  assert.match(text, /repeat: npm run sim -- --scenario story --seed 77 --engine log$/m);
});

/** Runs that end when they are told to, in whatever order. */
function heldRuns(atOnce: number) {
  const started: string[] = [];
  const ends = new Map<string, (report: SeedReport) => void>();
  const runner: SeedRunner = {
    atOnce,
    run: ({ scenario: name, seed }) =>
      new Promise((resolve) => {
        started.push(`${name} ${seed}`);
        ends.set(`${name} ${seed}`, resolve);
      }),
  };
  const end = async (name: string, verdict: SeedReport['verdict'] = 'passed') => {
    ends.get(name)!({
      verdict,
      lines: [`    ${name} ${verdict}`],
      eventsRun: 5,
      virtualMs: 3_600_000,
      cpuMs: 30_000,
    });
    await setImmediatePromise();
  };
  return { runner, started, end };
}

async function beginHeld(list: readonly Scenario[], atOnce: number, count: number) {
  const lines: string[] = [];
  const held = heldRuns(atOnce);
  const host = {
    print: (line: string) => lines.push(line),
    onUnhandled: () => undefined,
    now: () => (lines.length === 0 ? 0 : 60_000),
    cpuMs: () => 0,
  };
  const areAllGood = runScenarios({ scenarios: list, firstSeed: 1, count, twice: false }, host, held.runner);
  await setImmediatePromise();
  return { ...held, lines, areAllGood };
}

test('runs side by side are told in the order of scenario and seed, and a failed one hides no other', async () => {
  const idle: Scenario['run'] = async () => undefined;
  const first = { name: 'first', describe: 'a story', run: idle };
  const second = { name: 'second', describe: 'a story', run: idle };
  const { started, end, lines, areAllGood } = await beginHeld([first, second], 3, 2);
  assert.deepEqual(started, ['first 1', 'first 2', 'second 1'], 'as many as may, and no more');
  assert.deepEqual(lines, ['first: a story', '  seed 1'], 'what is waited for is told');
  await end('second 1');
  assert.deepEqual(started.at(-1), 'second 2', 'whoever has ended makes room');
  await end('first 2', 'failed');
  assert.equal(lines.length, 2, 'nothing is told out of its order');
  await end('first 1');
  await end('second 2');
  assert.equal(await areAllGood, false);
  assert.deepEqual(lines, [
    'first: a story',
    '  seed 1',
    '    first 1 passed',
    '  seed 2',
    '    first 2 failed',
    'second: a story',
    '  seed 1',
    '    second 1 passed',
    '  seed 2',
    '    second 2 passed',
    '20 events, 0 a second, 4.00 virtual hours a minute, 2.00 a minute of processor time; FAILED',
  ]);
});

test('a canary that was found ends there, whatever was begun behind it', async () => {
  const idle: Scenario['run'] = async () => undefined;
  const canary = scenario(idle, { withinSeeds: 6, message: /planted/ });
  const last = { name: 'last', describe: 'a story', run: idle };
  const { started, end, lines, areAllGood } = await beginHeld([canary, last], 2, 1);
  assert.deepEqual(started, ['story 1', 'story 2']);
  await end('story 2', 'found');
  assert.deepEqual(started.slice(2), ['last 1'], 'seeds behind the one that found it are not begun');
  await end('story 1');
  await end('last 1');
  assert.ok(await areAllGood);
  const told = lines.filter((line) => /seed|found|passed/.test(line)).map((line) => line.trim());
  assert.deepEqual(told, ['seed 1', 'story 1 passed', 'seed 2', 'story 2 found', 'seed 1', 'last 1 passed']);
});

test('one at a time: none begins before its seed has been printed', async () => {
  const printedBefore: (string | undefined)[] = [];
  const lines: string[] = [];
  const runner: SeedRunner = {
    atOnce: 1,
    run: async ({ seed }) => {
      printedBefore.push(lines.at(-1));
      return { verdict: 'passed', lines: [String(seed)], eventsRun: 0, virtualMs: 0, cpuMs: 0 };
    },
  };
  const host = {
    print: (line: string) => lines.push(line),
    onUnhandled: () => undefined,
    now: () => 0,
    cpuMs: () => 0,
  };
  const options = { scenarios: [scenario(async () => undefined)], firstSeed: 1, count: 3, twice: false };
  assert.ok(await runScenarios(options, host, runner));
  assert.deepEqual(printedBefore, ['  seed 1', '  seed 2', '  seed 3']);
});
