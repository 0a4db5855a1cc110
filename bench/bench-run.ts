/** How a question is to be asked: what people said on the command line. */
import type { HaleOptions } from './servers.ts';

/**
 * `quick`: whether it runs at all. `usual`: all questions within a quarter of an hour. `long`: the sizes and times that the
 * targets speak of.
 */
export type BenchScale = 'quick' | 'usual' | 'long';

export interface BenchRun {
  readonly scale: BenchScale;
  readonly node: string;
  /** Of what takes its time; by scale if absent. */
  readonly minutes: number | undefined;
  /** Rows to measure: their names must match. All if absent. */
  readonly only: RegExp | undefined;
  /** Of several, each is measured right after the other: the machine's speed changes. At least one. */
  readonly engines: readonly BenchEngine[];
  readonly report: (line: string) => void;
}

export interface BenchEngine {
  readonly label: string;
  readonly settings: readonly string[];
}

export function sized<T>(run: BenchRun, quick: T, usual: T, long: T): T {
  return { quick, usual, long }[run.scale];
}

/** Milliseconds that something is looked at: `--minutes`, or by scale. */
export function watchedMs(run: BenchRun, quick: number, usual: number, long: number): number {
  return run.minutes === undefined ? sized(run, quick, usual, long) : run.minutes * 60_000;
}

/** Of what measures one engine: the first of them. */
export function nodeOptions(run: BenchRun): HaleOptions {
  return { node: run.node, settings: run.engines[0]?.settings ?? [] };
}
