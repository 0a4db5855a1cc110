/**
 * A process of a node: an `Environment` for each of its lives, and what may befall it.
 *
 * Everything that happens to a life goes through it: once it ended, its timers, promises and
 * handlers are never called again, and its calls do nothing. A paused life (SIGSTOP, a stall of
 * the virtual machine) misses nothing: what happens to it waits.
 */
import type {
  Clock,
  Environment,
  Instant,
  Log,
  LogFields,
  Tasks,
  Timer,
  Timers,
  WallMicros,
} from '../environment/index.ts';
import { assert } from '../stdx/index.ts';
import type { PlannedEvent } from './event-queue.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import type { World } from './world.ts';

/** 2026-01-01: an epoch like a real one, so that stamps have their usual length. */
const wallStartMs = 1_767_225_600_000;
/** A turn of the event loop gathers what happens within so much time. */
const turnMsMax = 0.05;
const turnPassesMax = 8;

export type BootMain = (environment: Environment) => Promise<void>;

export class SimulatedProcess {
  readonly name: string;
  /** Where others reach it: what follows `@` in its name, or the name. */
  readonly host: string;
  readonly disk: SimulatedDisk;
  readonly world: World;
  #main: BootMain | undefined;
  #life: Life | undefined;
  #lives = 0;
  readonly #clock: ClockFace;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.host = name.slice(name.indexOf('@') + 1);
    this.disk = new SimulatedDisk(world, name);
    this.#clock = new ClockFace(world, world.random.fork(`clock ${name}`).between(0, 1e7));
  }

  /** Runs `main` in a new life, now and after each `restart`. A `main` that rejects fails the run. */
  boot(main: BootMain): void {
    this.#main = main;
    this.restart();
  }

  restart(): void {
    assert(this.#main !== undefined, `${this.name} was booted`);
    const main = this.#main;
    const { environment } = this;
    this.world.record(this.name, 'boot', String(this.#lives));
    environment.tasks.spawn('main', () => main(environment));
  }

  /** The environment of the present life; begins one if there is none. For stories told without `boot`. */
  get environment(): Environment {
    return this.begin();
  }

  /** Turns the machine on without running anything, if it is off. */
  begin(): Environment {
    if (this.#life === undefined) {
      this.#lives += 1;
      this.#life = new Life(this, this.#clock, this.#lives);
    }
    return this.#life.environment;
  }

  get isUp(): boolean {
    return this.#life !== undefined;
  }

  /** `kill -9`: the operating system lives on, keeps written files and closes the sockets. */
  kill(): void {
    this.#endLife('kill', false);
  }

  /** The power goes: what was not synced vanishes or tears, and peers are told nothing. */
  crash(): void {
    this.#endLife('crash', true);
  }

  pause(): void {
    this.world.record(this.name, 'pause');
    this.#life?.pause();
  }

  resume(): void {
    this.world.record(this.name, 'resume');
    this.#life?.resume();
  }

  /** Moves the wall clock; the monotonic one never jumps. */
  jumpClock(byMs: number): void {
    this.world.record(this.name, 'clock-jump', String(byMs));
    this.#clock.jump(byMs);
  }

  /** 0.01 makes both clocks run one per cent fast, from now on. */
  driftClock(rate: number): void {
    this.world.record(this.name, 'clock-drift', String(rate));
    this.#clock.drift(rate);
  }

  #endLife(kind: 'kill' | 'crash', isPowerCut: boolean): void {
    const life = this.#life;
    if (life === undefined) return;
    this.#life = undefined;
    this.world.record(this.name, kind);
    life.end();
    this.disk.lifeEnded(isPowerCut);
    this.world.network.lifeEnded(life, isPowerCut);
  }
}

/** The clocks of a machine: they survive its processes, and run on while it is off. */
class ClockFace {
  readonly #world: World;
  readonly #monotonicStartMs: number;
  #rate = 1;
  #elapsedAtChangeMs = 0;
  #changedAtMs = 0;
  #wallOffsetMs = 0;

  constructor(world: World, monotonicStartMs: number) {
    this.#world = world;
    this.#monotonicStartMs = monotonicStartMs;
  }

  get rate(): number {
    return this.#rate;
  }

  monotonicMs(): number {
    return this.#monotonicStartMs + this.#elapsedMs();
  }

  wallMs(): number {
    return wallStartMs + this.#elapsedMs() + this.#wallOffsetMs;
  }

  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  drift(rate: number): void {
    this.#elapsedAtChangeMs = this.#elapsedMs();
    this.#changedAtMs = this.#world.nowMs;
    this.#rate = 1 + rate;
  }

  #elapsedMs(): number {
    return this.#elapsedAtChangeMs + (this.#world.nowMs - this.#changedAtMs) * this.#rate;
  }
}

class SimulatedTimer implements Timer {
  event: PlannedEvent | undefined;
  #wake: (() => void) | undefined;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  readonly run = (): void => this.#wake?.();

  cancel(): void {
    // Also where a pause has held back what was planned.
    this.#wake = undefined;
    this.event!.run = undefined;
  }
}

/** One life of a process, from boot to crash. */
export class Life implements Clock, Timers, Tasks, Log {
  readonly process: SimulatedProcess;
  readonly environment: Environment;
  readonly #world: World;
  readonly #clock: ClockFace;
  readonly #turnRandom;
  #isOver = false;
  #isPaused = false;
  #isCatchingUp = false;
  #missed: (() => void)[] = [];
  #turnEnds: (() => void)[] = [];
  #isTurnOpen = false;
  #lastWallMicros = 0;
  readonly #turnEnded = (): void => this.#endTurn();

  constructor(process: SimulatedProcess, clock: ClockFace, ordinal: number) {
    const { world, name } = process;
    this.process = process;
    this.#world = world;
    this.#clock = clock;
    this.#turnRandom = world.random.fork(`turn ${name} ${ordinal}`);
    this.environment = {
      clock: this,
      timers: this,
      tasks: this,
      random: world.random.fork(`node ${name} ${ordinal}`),
      network: world.network.of(this),
      disk: process.disk.of(this),
      log: this,
    };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Runs what happens to this life: now, after the pause, or never. */
  happens(run: () => void): void {
    if (this.#isOver) return;
    if (this.#isPaused) {
      this.#missed.push(run);
      return;
    }
    try {
      run();
    } catch (error) {
      this.#world.fail(`${this.process.name} crashed`, error);
    }
  }

  plan(delayMs: number, run: () => void): PlannedEvent {
    return this.#world.after(delayMs, run, this);
  }

  pause(): void {
    this.#isPaused = true;
    this.#isCatchingUp = false;
  }

  resume(): void {
    if (!this.#isPaused || this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    this.#world.after(0, () => this.#catchUp());
  }

  /** One by one, with a turn between them; what happens meanwhile waits behind. */
  #catchUp(): void {
    if (!this.#isCatchingUp || this.#isOver) return;
    const run = this.#missed.shift();
    this.#isPaused = false;
    if (run === undefined) {
      this.#isCatchingUp = false;
      return;
    }
    this.happens(run);
    this.#isPaused = true;
    this.#world.after(0, () => this.#catchUp());
  }

  end(): void {
    this.#isOver = true;
    this.#missed = [];
    this.#turnEnds = [];
  }

  now(): Instant {
    return this.#clock.monotonicMs() as Instant;
  }

  wallMicros(): WallMicros {
    const read = Math.floor(this.#clock.wallMs() * 1000);
    const isSmallStepBack = read <= this.#lastWallMicros && this.#lastWallMicros - read < 1_000_000;
    this.#lastWallMicros = isSmallStepBack ? this.#lastWallMicros + 1 : read;
    return this.#lastWallMicros as WallMicros;
  }

  after(delayMs: number, wake: () => void): Timer {
    assert(delayMs >= 0, 'a delay is not negative');
    const timer = new SimulatedTimer(wake);
    timer.event = this.plan(delayMs / this.#clock.rate, timer.run);
    return timer;
  }

  spawn(name: string, body: () => Promise<void>): void {
    if (this.#isOver) return;
    const failed = (error: unknown): void => {
      if (!this.#isOver) this.#world.fail(`task ${name} of ${this.process.name} failed`, error);
    };
    try {
      body().catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  endOfTurn(run: () => void): void {
    if (this.#isOver) return;
    this.#turnEnds.push(run);
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    this.plan(this.#turnRandom.between(0, turnMsMax), this.#turnEnded);
  }

  debug(): void {
    // Too many to keep: what matters is in the history.
  }

  info(message: string, fields?: LogFields): void {
    this.#logged('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#logged('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#logged('error', message, fields);
  }

  #endTurn(): void {
    for (let pass = 0; pass < turnPassesMax && this.#turnEnds.length > 0; pass++) {
      const due = this.#turnEnds;
      this.#turnEnds = [];
      for (const run of due) run();
    }
    this.#isTurnOpen = this.#turnEnds.length > 0;
    if (this.#isTurnOpen) this.plan(turnMsMax, this.#turnEnded);
  }

  #logged(level: string, message: string, fields: LogFields | undefined): void {
    if (this.#isOver) return;
    const pairs = Object.entries(fields ?? {}).map(([name, value]) => `${name}=${value}`);
    this.#world.record(this.process.name, `log ${level}`, [message, ...pairs].join(' '));
  }
}
