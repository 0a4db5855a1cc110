/**
 * A write-ahead log under everything that a disk may do: power cuts and `kill -9` at random moments, also
 * while it opens; torn sectors, failed writes and syncs, a full disk, rot. docs/internals/wal.md numbers
 * the invariants.
 */
import { Buffer } from 'node:buffer';
import type { Disk, Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { WalError, type WalLimits, WriteAheadLog } from '../../wal/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import type { SimulatedProcess } from '../simulated-process.ts';
import { type LogChange, type LogContents, LogOracle, type OracleRecord } from '../workloads/log-oracle.ts';
import type { World } from '../world.ts';

const lives = 50;
const directory = 'raft/log';
/** Small, so that segments roll, groups are many and limits are met. */
const limits: WalLimits = {
  recordBytesMax: 3000,
  batchBytesMax: 4000,
  groupBytesMax: 4000,
  segmentBytesMax: 8192,
  queueBytesMax: 32_768,
  readBytesMax: 2000,
  preallocatedBytes: 1500,
};

/** Stands between the log and the disk: how a planted fault gets in. */
export type DiskSabotage = (disk: Disk) => Disk;

export const walCrash: Scenario = {
  name: 'wal-crash',
  describe: 'a write-ahead log loses, reorders and invents nothing, and says exactly what rotted',
  run: (world) => runWalCrash(world, (disk) => disk),
};

export async function runWalCrash(world: World, sabotage: DiskSabotage): Promise<void> {
  world.work.atLeast('power cuts', lives / 4);
  world.work.atLeast('durable changes', 200);
  world.work.atLeast('failed changes', 5);
  world.work.atLeast('rots', 2);
  const story = new Story(world, sabotage);
  for (let life = 0; life < lives; life++) await story.live();
}

class Story {
  readonly #world: World;
  readonly #node: SimulatedProcess;
  readonly #random: Prng;
  readonly #sabotage: DiskSabotage;
  readonly #oracle = new LogOracle();
  #written = 0;
  #deaths = 0;
  /** No index below it may be truncated: a drop that is under way, or failed, went as far. */
  #firstPlanned = 1;
  /** Told of the same failure. */
  #failing: LogChange[] = [];

  constructor(world: World, sabotage: DiskSabotage) {
    this.#world = world;
    this.#node = world.node('a');
    this.#random = world.random.fork('wal crash');
    this.#sabotage = sabotage;
  }

  async live(): Promise<void> {
    if (this.#random.chance(0.2)) await this.#dieOpening();
    const log = await this.#open();
    this.#firstPlanned = log.firstIndex;
    if (this.#random.chance(0.4)) await this.#work(log, this.#random.below(20));
    this.#strike();
    const working = this.#work(log, 5 + this.#random.below(40));
    if (this.#random.chance(0.25)) {
      await working;
      await this.#closeAndRot(log);
      return;
    }
    if (this.#random.chance(0.3)) await working;
    else await this.#world.sleep(this.#random.exponential(8));
    this.#die();
  }

  #die(): void {
    this.#deaths += 1;
    this.#node.disk.conditions = quietDisk;
    if (this.#random.chance(0.75)) {
      this.#world.work.add('power cuts');
      this.#node.crash();
      return;
    }
    this.#world.work.add('kills');
    this.#node.kill();
    // What the kernel had not written yet may go with a power cut, before the log is opened again or not.
    if (this.#random.chance(0.5)) this.#node.crash();
  }

  /** A crash while the log repairs itself. */
  async #dieOpening(): Promise<void> {
    this.#strike();
    const opening = this.#openOnce().then(
      (log) => {
        this.#checkReopened(log);
      },
      () => undefined,
    );
    await Promise.race([opening, this.#world.sleep(this.#random.exponential(1))]);
    this.#die();
  }

  #openOnce(): Promise<WriteAheadLog> {
    const { environment } = this.#node;
    const sabotaged: Environment = { ...environment, disk: this.#sabotage(environment.disk) };
    return WriteAheadLog.open(sabotaged, directory, limits);
  }

  async #open(): Promise<WriteAheadLog> {
    const log = await this.#openOnce();
    for (const { kind } of log.damages) if (kind === 'torn tail') this.#world.work.add('torn tails');
    this.#checkReopened(log);
    return log;
  }

  #checkReopened(log: WriteAheadLog): void {
    if (this.#oracle.reopened(contentsOf(log)) === 'more') this.#world.work.add('unacknowledged kept');
  }

  #strike(): void {
    const { disk } = this.#node;
    const kind = this.#random.below(5);
    const probability = this.#random.pick([0.05, 0.3, 1]);
    if (kind === 0) disk.conditions = { ...quietDisk, syncFailure: probability };
    if (kind === 1) disk.conditions = { ...quietDisk, writeFailure: probability };
    if (kind === 2) disk.leaveFreeBytes(this.#random.below(6000));
    if (kind > 2) disk.conditions = { ...quietDisk, syncMs: this.#random.pick([0.3, 3]) };
  }

  /** Resolves when all changes have ended, or the life has. Changes come in bursts, with waits between them. */
  async #work(log: WriteAheadLog, changes: number): Promise<void> {
    const deaths = this.#deaths;
    for (let i = 0; i < changes; i++) {
      if (this.#deaths > deaths) return;
      this.#change(log);
      if (this.#random.chance(0.3)) await this.#world.sleep(this.#random.exponential(1));
    }
    await log.drain();
  }

  #change(log: WriteAheadLog): void {
    const change = this.#drawChange(log);
    const done = (error: WalError | undefined): void => this.#ended(change, error);
    try {
      if (change.kind === 'append') log.appendBatch(change.records, done);
      else if (change.kind === 'truncate') log.truncateFrom(change.index, done);
      else log.dropBefore(change.index, done);
      this.#oracle.began(change);
    } catch (error) {
      if (!(error instanceof WalError && error.code === 'overload')) throw error;
      this.#world.work.add('refused changes');
    }
  }

  #drawChange(log: WriteAheadLog): LogChange {
    const planned = log.nextIndex;
    const kind = this.#random.below(20);
    if (kind === 0 && this.#firstPlanned <= planned) {
      const removedMax = Math.min(10, planned - this.#firstPlanned);
      return { kind: 'truncate', index: planned - this.#random.below(removedMax + 1) };
    }
    if (kind === 1) {
      const length = planned - log.firstIndex;
      const index = log.firstIndex + this.#random.below(Math.ceil(length * 1.05) + 2);
      this.#firstPlanned = Math.max(this.#firstPlanned, index);
      return { kind: 'drop', index };
    }
    const count = this.#random.chance(0.8) ? 1 : 1 + this.#random.below(4);
    return { kind: 'append', records: Array.from({ length: count }, () => this.#record()) };
  }

  #record(): Buffer {
    this.#written += 1;
    const bytes = this.#random.pick([8, 100, 900]) + this.#random.below(100);
    const record = Buffer.alloc(bytes, this.#written & 0xff);
    record.writeUInt32LE(this.#written, 0);
    return record;
  }

  #ended(change: LogChange, error: WalError | undefined): void {
    if (error === undefined) {
      this.#oracle.succeeded(change);
      this.#world.work.add('durable changes');
      return;
    }
    // All of one failure are told in one turn.
    if (this.#failing.length === 0) queueMicrotask(() => this.#failed());
    this.#failing.push(change);
    this.#world.work.add('failed changes');
  }

  #failed(): void {
    this.#oracle.failed(this.#failing);
    this.#failing = [];
  }

  /** After an orderly end all is vouched for: what rots is told from what was never written. */
  async #closeAndRot(log: WriteAheadLog): Promise<void> {
    this.#node.disk.conditions = quietDisk;
    await log.close();
    this.#node.kill();
    await this.#checkHealthy();
    const hasRotted = this.#node.disk.rot();
    if (!hasRotted) return;
    const after = await this.#openOnce();
    const found = contentsOf(after);
    const damaged = this.#oracle.rotted(found);
    this.#world.work.add('damaged records', damaged);
    this.#world.work.add('rots');
    await after.close();
    this.#node.kill();
  }

  /** It works again as soon as the disk does. */
  async #checkHealthy(): Promise<void> {
    const log = await this.#open();
    const change: LogChange = { kind: 'append', records: [this.#record()] };
    await new Promise<void>((resolve) => {
      log.appendBatch(change.records, (error) => {
        assert(error === undefined, `W6: a healed disk takes appends, but: ${error?.message}`);
        this.#oracle.succeeded(change);
        resolve();
      });
      this.#oracle.began(change);
    });
    await log.close();
    this.#node.kill();
  }
}

/** Every record, read singly; what is damaged must be among the damages that the log reported. */
function contentsOf(log: WriteAheadLog): LogContents {
  const records: OracleRecord[] = [];
  for (let index = log.firstIndex; index <= log.lastIndex; index++) {
    try {
      records.push(log.read(index));
    } catch (error) {
      if (!(error instanceof WalError && error.code === 'damaged')) throw error;
      const isReported = log.damages.some(({ first, last }) => first <= index && index <= last);
      assert(isReported, `W7: the damage of record ${index} was reported`);
      records.push('damaged');
    }
  }
  return { first: log.firstIndex, records };
}
