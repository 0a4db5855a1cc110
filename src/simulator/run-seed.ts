/**
 * One seed of one scenario, and what became of it: in a form that crosses processes, so that many can run side by side
 * (`SeedRunner`). A run is one process's from its start to its end, the second run of `twice` included.
 */
import { type RunResult, runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import type { World, WorldEngine } from './world.ts';

const eventsShownMax = 30;

export interface SeedRun {
  readonly scenario: string;
  readonly seed: number;
  /** Runs it a second time and compares the hashes. */
  readonly twice: boolean;
  /** The storage engine of all nodes; by the seed's draw if absent. */
  readonly engine?: WorldEngine | undefined;
}

export interface SeedReport {
  /** `found`: a canary's planted bug, which is what it is there for. */
  readonly verdict: 'passed' | 'found' | 'failed';
  /** For whoever reads along. */
  readonly lines: readonly string[];
  /** Of both runs, if it ran twice; as the next two. */
  readonly eventsRun: number;
  readonly virtualMs: number;
  /** Time of all the process's threads, in user and system mode. */
  readonly cpuMs: number;
}

/** Where runs take place. */
export interface SeedRunner {
  /** How many runs may be under way at a time. */
  readonly atOnce: number;
  /** Rejects only if no run can be made at all: a run that takes its process down is a failed one. */
  run(run: SeedRun): Promise<SeedReport>;
}

/** The process that a seed runs in. */
export interface SeedHost {
  /** Is given each world before it starts: an unhandled rejection must fail it. */
  watch(world: World): void;
  /** What this process has used so far, in milliseconds. */
  cpuMs(): number;
}

export async function runSeed(scenario: Scenario, run: SeedRun, host: SeedHost): Promise<SeedReport> {
  const startedCpuMs = host.cpuMs();
  const results: RunResult[] = [];
  const play = async (): Promise<RunResult> => {
    const result = await runScenario(scenario, run.seed, (world) => host.watch(world), run.engine);
    results.push(result);
    return result;
  };
  const first = await play();
  const lines: string[] = [];
  let isRepeatable = true;
  if (run.twice) {
    const second = await play();
    isRepeatable = second.hash === first.hash;
    if (!isRepeatable) lines.push(...linesOfTwoWays(run, first, second));
  }
  const isFound = scenario.mustFail?.message.test(first.failure?.message ?? '') ?? false;
  if (isFound) lines.push(`    found, as it must be: ${first.failure?.message}`);
  else {
    lines.push(`    ${first.work} in ${Math.round(first.virtualMs)} ms; ${first.hash}`);
    if (first.failure !== undefined) lines.push(...linesOfFailure(run, first));
  }
  const isGood = isRepeatable && (isFound || first.failure === undefined);
  return {
    verdict: isGood ? (isFound ? 'found' : 'passed') : 'failed',
    lines,
    eventsRun: results.reduce((sum, { eventsRun }) => sum + eventsRun, 0),
    virtualMs: results.reduce((sum, { virtualMs }) => sum + virtualMs, 0),
    cpuMs: host.cpuMs() - startedCpuMs,
  };
}

/** Of a run that its process did not survive. */
export function reportOfLostRun(run: SeedRun, reason: string, printed: string): SeedReport {
  const said = printed.trim() === '' ? [] : printed.trimEnd().split('\n');
  const lines = [
    ...said.map((line) => `    | ${line}`),
    `  FAILED: ${reason}`,
    `  repeat: ${commandOf(run)}`,
  ];
  return { verdict: 'failed', lines, eventsRun: 0, virtualMs: 0, cpuMs: 0 };
}

/** What a person types to see the run again. */
export function commandOf({ scenario, seed, engine }: Omit<SeedRun, 'twice'>): string {
  const ofEngine = engine === undefined ? '' : ` --engine ${engine}`;
  return `npm run sim -- --scenario ${scenario} --seed ${seed}${ofEngine}`;
}

function linesOfTwoWays(run: SeedRun, first: RunResult, second: RunResult): readonly string[] {
  return [
    `  FAILED: seed ${run.seed} ran in two ways: ${first.hash} and ${second.hash}`,
    `  repeat: ${commandOf(run)} --twice`,
  ];
}

function linesOfFailure(run: SeedRun, { recent, failure }: RunResult): readonly string[] {
  const lines = recent
    .slice(-eventsShownMax)
    .map(({ atMs, node, kind, detail }) => `    ${atMs.toFixed(3).padStart(12)} ${node} ${kind} ${detail}`);
  lines.push(`  FAILED: ${failure?.message}`);
  const cause = failure?.cause;
  if (cause instanceof Error) lines.push(`  ${cause.stack}`);
  lines.push(`  repeat: ${commandOf(run)}`);
  return lines;
}
