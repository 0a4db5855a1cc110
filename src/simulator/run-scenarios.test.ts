import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RunnerOptions, runScenarios } from './run-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { scenarioNamed } from './scenarios/index.ts';

async function runPrinted(list: readonly Scenario[], options: Partial<RunnerOptions> = {}) {
  const lines: string[] = [];
  const host = { print: (line: string) => lines.push(line), onUnhandled: () => undefined, now: () => 0 };
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
