/**
 * The runner behind `npm run sim`. It prints the seed before it runs it, so that a run that takes
 * the process down still says how to repeat it, and after a failure the command that does.
 */
import { type RunResult, runScenario } from './run-scenario.ts';
import { type Scenario, seedsInCheckUsual } from './scenario.ts';
import type { World, WorldEngine } from './world.ts';

const seedCount = 2 ** 32;
const eventsShownMax = 30;

/** What the process gives the runner. */
export interface RunnerHost {
  print(line: string): void;
  /** Calls `listener` for promises that reject with nobody waiting, and for uncaught exceptions. */
  onUnhandled(listener: (error: unknown) => void): void;
  /** Monotonic, in milliseconds. Only for telling how fast it went. */
  now(): number;
}

export interface RunnerOptions {
  readonly scenarios: readonly Scenario[];
  readonly firstSeed: number;
  /** How many seeds each scenario gets, from `firstSeed` up; `check`: as many as it has in `npm run check`. */
  readonly count: number | 'check';
  /** Somebody asked for just these: none gets less than `count`. */
  readonly areNamed?: boolean;
  /** Runs every seed twice and compares the hashes. */
  readonly twice: boolean;
  /** The storage engine of all nodes; by each seed's draw if absent. */
  readonly engine?: WorldEngine | undefined;
}

/** True if every scenario did what it should: passed, or, as a canary, was found out. */
export async function runScenarios(options: RunnerOptions, host: RunnerHost): Promise<boolean> {
  let world: World | undefined;
  host.onUnhandled((error) => {
    if (world === undefined) host.print(`unhandled: ${String(error)}`);
    else world.fail('a promise was rejected with nobody waiting', error);
  });
  const watch = (started: World): void => {
    world = started;
  };
  let areAllGood = true;
  let eventsRun = 0;
  let elapsedMs = 0;
  let virtualMs = 0;
  for (const scenario of options.scenarios) {
    const seeds = seedsOf(options, scenario);
    host.print(`${scenario.name}: ${scenario.describe}`);
    let isFound = false;
    for (const seed of seeds) {
      host.print(`  seed ${seed}`);
      const startedAt = host.now();
      const result = await runScenario(scenario, seed, watch, options.engine);
      elapsedMs += host.now() - startedAt;
      eventsRun += result.eventsRun;
      virtualMs += result.virtualMs;
      if (options.twice && !(await isRepeatable(scenario, result, watch, host, options))) areAllGood = false;
      isFound = scenario.mustFail?.message.test(result.failure?.message ?? '') ?? false;
      if (isFound) {
        host.print(`    found, as it must be: ${result.failure?.message}`);
        break;
      }
      host.print(`    ${result.work} in ${Math.round(result.virtualMs)} ms; ${result.hash}`);
      if (result.failure === undefined) continue;
      areAllGood = false;
      printFailure(scenario, result, host, options);
    }
    if (scenario.mustFail === undefined || isFound) continue;
    areAllGood = false;
    host.print(`  FAILED: the planted bug was not found in ${seeds.length} seeds`);
    host.print(`  repeat: ${commandOf(scenario, options.firstSeed, options)}`);
  }
  const perSecond = Math.round((eventsRun / Math.max(1, elapsedMs)) * 1000);
  // Milliseconds of one in those of the other, as hours in a minute.
  const hoursPerMinute = (virtualMs / Math.max(1, elapsedMs) / 60).toFixed(2);
  const pace = `${perSecond} a second, ${hoursPerMinute} virtual hours a minute`;
  host.print(`${eventsRun} events, ${pace}; ${areAllGood ? 'all good' : 'FAILED'}`);
  return areAllGood;
}

async function isRepeatable(
  scenario: Scenario,
  first: RunResult,
  watch: (world: World) => void,
  host: RunnerHost,
  options: RunnerOptions,
): Promise<boolean> {
  const second = await runScenario(scenario, first.seed, watch, options.engine);
  if (second.hash === first.hash) return true;
  host.print(`  FAILED: seed ${first.seed} ran in two ways: ${first.hash} and ${second.hash}`);
  host.print(`  repeat: ${commandOf(scenario, first.seed, options)} --twice`);
  return false;
}

/** A canary is searched for as long as it may hide. */
function seedsOf({ firstSeed, count }: RunnerOptions, scenario: Scenario): readonly number[] {
  const usual = count === 'check' ? seedsInCheck(scenario) : count;
  const length = scenario.mustFail?.withinSeeds ?? usual;
  return Array.from({ length }, (_, i) => (firstSeed + i) % seedCount);
}

function seedsInCheck({ seedsInCheck: own, seedsPerHundred = 100 }: Scenario): number {
  return own ?? Math.max(1, Math.round((seedsInCheckUsual * seedsPerHundred) / 100));
}

function printFailure(scenario: Scenario, result: RunResult, host: RunnerHost, options: RunnerOptions): void {
  for (const event of result.recent.slice(-eventsShownMax)) {
    host.print(`    ${event.atMs.toFixed(3).padStart(12)} ${event.node} ${event.kind} ${event.detail}`);
  }
  host.print(`  FAILED: ${result.failure?.message}`);
  const cause = result.failure?.cause;
  if (cause instanceof Error) host.print(`  ${cause.stack}`);
  host.print(`  repeat: ${commandOf(scenario, result.seed, options)}`);
}

function commandOf(scenario: Scenario, seed: number, { engine }: RunnerOptions): string {
  const ofEngine = engine === undefined ? '' : ` --engine ${engine}`;
  return `npm run sim -- --scenario ${scenario.name} --seed ${seed}${ofEngine}`;
}
