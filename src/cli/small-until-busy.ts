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
import { setFlagsFromString } from 'node:v8';

/** Filters are patterns of names of functions: `~` is none, `*` all. */
const smallFlags = [
  '--sparkplug-filter=~',
  '--maglev-filter=~',
  '--turbo-filter=~',
  '--semi-space-growth-factor=1',
];
/** V8's own values. */
const usualFlags = [
  '--sparkplug-filter=*',
  '--maglev-filter=*',
  '--turbo-filter=*',
  '--semi-space-growth-factor=2',
];

/** A start takes 300 to 500 ms of processor time. One that takes longer has much to read: it should not be interpreted. */
const startProcessorMs = 1000;
const lookMs = 100;
/** Of one core: twice what the timers of an idle node take in its first quarter of a minute, ten times what they take later. */
const idleShare = 0.05;
/** What it takes beyond that share adds up to this, less what it leaves of the share: two to three times what is left of a start. */
const busyMs = 150;

interface Sample {
  readonly at: number;
  /** Of all threads, since the process began. */
  readonly processorMs: number;
}

export class SmallUntilBusy {
  #looks: NodeJS.Timeout | undefined;
  #isStarted = false;
  #lastLook = sample();
  /** Processor time beyond the share of an idle node. */
  #extraMs = 0;
  readonly #before: (() => void)[] = [];

  begin(): void {
    for (const flag of smallFlags) setFlagsFromString(flag);
    this.#looks = setInterval(() => this.#look(sample()), lookMs);
    this.#looks.unref();
  }

  /** The node serves: from now on what it does is told from its start. */
  started(): void {
    this.#isStarted = true;
    this.#lastLook = sample();
  }

  /** `work` is done before the process is busy, if it is small now. */
  before(work: () => void): void {
    if (this.#looks !== undefined) this.#before.push(work);
  }

  #look(now: Sample): void {
    if (this.#isStarted ? !this.#isBusy(now) : now.processorMs < startProcessorMs) return;
    clearInterval(this.#looks);
    this.#looks = undefined;
    for (const work of this.#before.splice(0)) work();
    for (const flag of usualFlags) setFlagsFromString(flag);
  }

  #isBusy(now: Sample): boolean {
    const tookMs = now.processorMs - this.#lastLook.processorMs;
    const idleMs = idleShare * (now.at - this.#lastLook.at);
    this.#extraMs = Math.max(0, this.#extraMs + tookMs - idleMs);
    this.#lastLook = now;
    return this.#extraMs >= busyMs;
  }
}

function sample(): Sample {
  const { user, system } = process.cpuUsage();
  return { at: performance.now(), processorMs: (user + system) / 1000 };
}
