/**
 * `npm run sim -- [--scenario NAME] [--seed N] [--count K] [--twice] [--engine log|memory] [--list]`.
 * `--count check`: as many seeds of each as `npm run check` has time for.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { runScenarios, scenarios, type WorldEngine, worldEngines } from '../src/simulator/index.ts';

const { values } = parseArgs({
  options: {
    scenario: { type: 'string', multiple: true },
    seed: { type: 'string' },
    count: { type: 'string', default: '1' },
    twice: { type: 'boolean', default: false },
    engine: { type: 'string' },
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
  const areAllGood = await runScenarios(
    {
      scenarios: scenarios.filter(({ name, isLong = false }) =>
        named.length === 0 ? !isLong : named.includes(name),
      ),
      areNamed: named.length > 0,
      firstSeed: values.seed === undefined ? randomInt(2 ** 32) : wholeNumber(values.seed, 'seed'),
      count: values.count === 'check' ? 'check' : wholeNumber(values.count, 'count'),
      twice: values.twice,
      engine: engineOf(values.engine),
    },
    {
      print,
      now: () => performance.now(),
      onUnhandled: (listener) => {
        process.on('unhandledRejection', listener);
        process.on('uncaughtException', listener);
      },
    },
  );
  process.exitCode = areAllGood ? 0 : 1;
}
