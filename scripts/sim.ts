/**
 * `npm run sim -- [--scenario NAME] [--seed N] [--count K] [--twice] [--engine log|memory] [--jobs N] [--list]`.
 * `--count check`: as many seeds of each as `npm run check` has time for.
 * `--jobs`: processes at a time, as many as there are cores if absent; 1: in this one.
 */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import {
  type RunnerHost,
  type RunnerOptions,
  runCountOf,
  runScenarios,
  scenarios,
  type WorldEngine,
  worldEngines,
} from '../src/simulator/index.ts';
import { processorMs } from './processor-time.ts';
import { SeedWorkers } from './seed-workers.ts';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    seed: { type: 'string' },
    count: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    engine: { type: 'string' },
    jobs: { type: 'string' },
    list: { type: 'boolean', default: false },
  },
});

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function wholeNumber(text: string, name: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new Error(`--${name} is a whole number, not ${text}`);
  return number;
}

function engineOf(name: string | undefined): WorldEngine | undefined {
  const engine = worldEngines.find((known) => known === name);
  if (engine === undefined && name !== undefined)
    throw new Error(`--engine is ${worldEngines.join(' or ')}, not ${name}`);
  return engine;
}

const named = values.scenario ?? [];
const unknown = named.filter((name) => !scenarios.some((scenario) => scenario.name === name));
if (values.list || unknown.length > 0) {
  for (const name of unknown) print(`no scenario ${name}`);
  for (const scenario of scenarios) print(`${scenario.name}: ${scenario.describe}`);
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  process.exitCode = (await run()) ? 0 : 1;
}

async function run(): Promise<boolean> {
  const options: RunnerOptions = {
    scenarios: scenarios.filter(({ name, isLong = false }) =>
      named.length === 0 ? !isLong : named.includes(name),
    ),
    firstSeed: values.seed === undefined ? randomInt(2 ** 32) : wholeNumber(values.seed, 'seed'),
    count: values.count === 'check' ? 'check' : wholeNumber(values.count, 'count'),
    twice: values.twice,
    engine: engineOf(values.engine),
  };
  const host: RunnerHost = {
    print,
    now: () => performance.now(),
    cpuMs: processorMs,
    onUnhandled: (listener) => {
      process.on('unhandledRejection', listener);
      process.on('uncaughtException', listener);
    },
  };
  const asked = values.jobs === undefined ? availableParallelism() : wholeNumber(values.jobs, 'jobs');
  const jobs = Math.min(asked, runCountOf(options));
  if (jobs <= 1) return runScenarios(options, host);
  const workers = new SeedWorkers({ atOnce: jobs });
  const stop = (signal: NodeJS.Signals): void => {
    for (const { scenario, seed } of workers.underWay) print(`${signal} while ${scenario}, seed ${seed} ran`);
    workers.kill();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await runScenarios(options, host, workers);
  } finally {
    workers.kill();
  }
}
