/**
 * How a node stays small until it has something to do.
 *
 * What has run a few hundred times V8 compiles anew, and again later, each time into faster code. A start alone runs enough for that, and
 * so do the timers of an idle node. But the compilers are 10 MiB of Node's program that would not be in memory else, and what they make
 * of a start is run by nobody again. So a node interprets until it is busy for the first time: V8 has counted meanwhile, and
 * compiles what is hot at once. For the same reason young objects get no more room before: what a start leaves alive would double it
 * twice, and an idle node does not give it back.
 */
import { performance } from 'node:perf_hooks';
import type { V8Flags } from './v8-flags.ts';

const small = {
  'sparkplug-filter': '~',
  'maglev-filter': '~',
  'turbo-filter': '~',
  'semi-space-growth-factor': '1',
} as const;
const lookMs = 1000;
/** Processor time that a start takes: three to five tenths of a second, on a crowded machine twice that. */
const startMs = 1000;
/** Of one core: an idle node takes 0.03 while it builds its hash trees, and 0.02 at most afterwards; fifty gets a second, interpreted, take this. */
const busyShare = 0.04;

/** From now on, until this process is busy after its start, or takes longer to start than usual. */
export function staySmallUntilBusy(flags: V8Flags): void {
  flags.set(small);
  let before = { processorMs: processorMs(), at: performance.now() };
  const looks = setInterval(() => {
    const now = { processorMs: processorMs(), at: performance.now() };
    const share = (now.processorMs - before.processorMs) / (now.at - before.at);
    before = now;
    if (!isBusy(share, now.processorMs)) return;
    clearInterval(looks);
    flags.reset(...(Object.keys(small) as (keyof typeof small)[]));
  }, lookMs);
  looks.unref();
}

/** `share`: of one core, lately. `processorMs`: that the process has taken in all. */
export function isBusy(share: number, processorMs: number): boolean {
  return processorMs >= startMs && share >= busyShare;
}

/** Of all threads. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
