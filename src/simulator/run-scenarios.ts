/**
 * The runner behind `npm run sim`. Runs may take place side by side; they are told in the order of scenario and seed,
 * each seed before it is waited for, so that a run that takes the process down, or never ends, still says how to repeat
 * it. A run that fails hides no other.
 */
import { commandOf, runSeed, type SeedReport, type SeedRun, type SeedRunner } from './run-seed.ts';
import { type Scenario, seedsInCheckUsual } from './scenario.ts';
import type { World, WorldEngine } from './world.ts';

const seedCount = 2 ** 32;

/** What the process gives the runner. */
export interface RunnerHost {
  print(line: string): void;
  /** Calls `listener` for promises that reject with nobody waiting, and for uncaught exceptions. */
  onUnhandled(listener: (error: unknown) => void): void;
  /** Monotonic, in milliseconds. Only for telling how fast it went. */
  now(): number;
  /** Of the processor, by all threads of this process so far, in milliseconds. Only for telling, too. */
  cpuMs(): number;
}

export interface RunnerOptions {
  readonly scenarios: readonly Scenario[];
  readonly firstSeed: number;
  /** How many seeds each scenario gets, from `firstSeed` up; `check`: as many as it has in `npm run check`. */
  readonly count: number | 'check';
  /** Runs every seed twice and compares the hashes. */
  readonly twice: boolean;
  /** The storage engine of all nodes; by each seed's draw if absent. */
  readonly engine?: WorldEngine | undefined;
}

/** True if every scenario did what it should: passed, or, as a canary, was found out. */
export async function runScenarios(
  options: RunnerOptions,
  host: RunnerHost,
  runner: SeedRunner = inThisProcess(options.scenarios, host),
): Promise<boolean> {
  const queue = new RunQueue(options, runner);
  const tally = new Tally();
  const startedMs = host.now();
  let areAllGood = true;
  for (const scenario of options.scenarios) {
    host.print(`${scenario.name}: ${scenario.describe}`);
    let isFound = false;
    const seeds = seedsOf(options, scenario);
    for (const seed of seeds) {
      host.print(`  seed ${seed}`);
      const report = await queue.next();
      tally.add(report);
      for (const line of report.lines) host.print(line);
      if (report.verdict === 'failed') areAllGood = false;
      isFound = report.verdict === 'found';
      if (isFound) break;
    }
    if (isFound) queue.skip(scenario);
    if (scenario.mustFail === undefined || isFound) continue;
    areAllGood = false;
    host.print(`  FAILED: the planted bug was not found in ${seeds.length} seeds`);
    host.print(`  repeat: ${commandOf({ ...options, scenario: scenario.name, seed: options.firstSeed })}`);
  }
  host.print(`${tally.summary(host.now() - startedMs)}; ${areAllGood ? 'all good' : 'FAILED'}`);
  return areAllGood;
}

/** How many runs `runScenarios` will make at most. */
export function runCountOf(options: RunnerOptions): number {
  return options.scenarios.reduce((sum, scenario) => sum + seedsOf(options, scenario).length, 0);
}

/** One run at a time, where a profiler or a debugger sees it. */
function inThisProcess(scenarios: readonly Scenario[], host: RunnerHost): SeedRunner {
  let world: World | undefined;
  const watch = (started: World): void => {
    world = started;
  };
  host.onUnhandled((error) => {
    if (world === undefined) host.print(`unhandled: ${String(error)}`);
    else world.fail('a promise was rejected with nobody waiting', error);
  });
  return {
    atOnce: 1,
    run: (run) =>
      runSeed(scenarios.find(({ name }) => name === run.scenario)!, run, {
        watch,
        cpuMs: () => host.cpuMs(),
      }),
  };
}

interface PlannedRun {
  readonly scenario: Scenario;
  readonly run: SeedRun;
  report: Promise<SeedReport> | undefined;
}

/** All runs in the order in which they are told; those ahead of it run meanwhile, as many as the runner takes. */
class RunQueue {
  readonly #runner: SeedRunner;
  readonly #runs: readonly PlannedRun[];
  /** Canaries of which enough is known, maybe by a run that has not been told yet. */
  readonly #found = new Set<Scenario>();
  #told = 0;
  #started = 0;
  #underWay = 0;

  constructor(options: RunnerOptions, runner: SeedRunner) {
    const { twice, engine } = options;
    this.#runner = runner;
    this.#runs = options.scenarios.flatMap((scenario) =>
      seedsOf(options, scenario).map((seed) => ({
        scenario,
        run: { scenario: scenario.name, seed, twice, engine },
        report: undefined,
      })),
    );
  }

  async next(): Promise<SeedReport> {
    this.#fill();
    const { report } = this.#runs[this.#told++]!;
    return report!;
  }

  /** Tells no further run of this scenario. */
  skip(scenario: Scenario): void {
    while (this.#runs[this.#told]?.scenario === scenario) this.#told += 1;
    this.#started = Math.max(this.#started, this.#told);
  }

  #fill(): void {
    while (this.#underWay < this.#runner.atOnce && this.#started < this.#runs.length) {
      const planned = this.#runs[this.#started++]!;
      // Seeds behind the one that found it are never told.
      if (!this.#found.has(planned.scenario)) planned.report = this.#start(planned);
    }
  }

  async #start({ scenario, run }: PlannedRun): Promise<SeedReport> {
    this.#underWay += 1;
    const report = await this.#runner.run(run);
    this.#underWay -= 1;
    if (report.verdict === 'found') this.#found.add(scenario);
    // Where one runs at a time it starts only when its seed has been printed.
    if (this.#runner.atOnce > 1) this.#fill();
    return report;
  }
}

class Tally {
  #eventsRun = 0;
  #virtualMs = 0;
  #cpuMs = 0;

  add({ eventsRun, virtualMs, cpuMs }: SeedReport): void {
    this.#eventsRun += eventsRun;
    this.#virtualMs += virtualMs;
    this.#cpuMs += cpuMs;
  }

  summary(elapsedMs: number): string {
    const perSecond = Math.round((this.#eventsRun / Math.max(1, elapsedMs)) * 1000);
    // Milliseconds of one in those of the other, as hours in a minute.
    const hoursIn = (realMs: number): string => (this.#virtualMs / Math.max(1, realMs) / 60).toFixed(2);
    return (
      `${this.#eventsRun} events, ${perSecond} a second, ${hoursIn(elapsedMs)} virtual hours a minute, ` +
      `${hoursIn(this.#cpuMs)} a minute of processor time`
    );
  }
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
