/**
 * Runs the transfers that are wanted, as many at once as allowed, the first in the list first; those that fail
 * again and again, ever less often, for as long as they are wanted (R25).
 */
import type { Buffer } from 'node:buffer';
import {
  type Environment,
  type Instant,
  type NodeId,
  RareNotices,
  type Timer,
} from '../../environment/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState } from '../topology/index.ts';
import { tooLargeForMessage } from '../transport/index.ts';
import { FittingFold } from './fitting-fold.ts';
import type { HandoffOptions } from './handoff-options.ts';
import type { TransferOutcome } from './outgoing-transfer.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import { type SenderParts, TransferSender } from './send-transfer.ts';
import type {
  OpenTransfer,
  ReceiverMessage,
  TransferId,
  TransferPurpose,
  TransferRefusalCode,
} from './transfer-message.ts';

const idBytes = 8;
/** The news of an epoch needs no longer, mostly; nor does the end of somebody else's transfer, where there are many. */
const passingDelayMs = 30;

export interface TransferTask {
  /** Names what is wanted: two tasks with one key are the same. */
  readonly key: string;
  readonly purpose: TransferPurpose;
  readonly partition: Partition;
  readonly source: Partition;
  readonly to: NodeId;
  readonly since: number;
  /** Called just before the snapshot is taken. */
  readonly begin?: () => void;
  readonly settled?: (items: readonly Buffer[]) => Promise<void>;
  /** Each time it ends. It is done again, later, unless it is not wanted any more. */
  readonly finished: (outcome: TransferOutcome) => void;
}

/** For people: `hale cluster transfers`. */
export interface TransferStatus {
  readonly direction: 'out' | 'in';
  readonly purpose: TransferPurpose;
  readonly partition: Partition;
  readonly source: Partition;
  readonly peer: NodeId;
  readonly state: 'running' | 'waiting';
  /** Bytes of items, read or received. */
  readonly bytes: number;
  /** An estimate; undefined where nobody knows. */
  readonly bytesTotal: number | undefined;
  readonly startedAt: Instant | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly secondsLeft: number | undefined;
  readonly failures: number;
  readonly lastError: string | undefined;
}

interface Run {
  readonly task: TransferTask;
  readonly id: TransferId;
  readonly sender: TransferSender;
  readonly fold: FittingFold;
  readonly startedAt: Instant;
  bytesTotal: number | undefined;
}

interface Pause {
  readonly failures: number;
  readonly until: Instant;
  readonly lastError: string | undefined;
}

export interface PoolParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly sender: SenderParts;
  readonly store: PartitionStore;
  readonly state: () => ClusterState;
  readonly isReachable: (node: NodeId) => boolean;
  readonly self: NodeId;
  readonly options: HandoffOptions;
}

export class TransferPool {
  readonly #parts: PoolParts;
  #wanted: readonly TransferTask[] = [];
  readonly #runs = new Map<string, Run>();
  readonly #pauses = new Map<string, Pause>();
  /** Who takes nothing now, for a reason that passes, and when one may ask again: for one transfer, since that costs a snapshot and its first slice. */
  readonly #askAgainAt = new Map<NodeId, Instant>();
  readonly #notices: RareNotices;
  #timer: Timer | undefined;
  #isClosed = false;
  #drained: (() => void)[] = [];

  constructor(parts: PoolParts) {
    this.#parts = parts;
    const { log, clock } = parts.environment;
    this.#notices = new RareNotices(log, clock, tooLargeForMessage);
  }

  /** The whole list; what runs and is not on it is cancelled. */
  want(tasks: readonly TransferTask[]): void {
    if (this.#isClosed) return;
    this.#wanted = tasks;
    const keys = new Set(tasks.map(({ key }) => key));
    for (const [key, { sender }] of this.#runs) if (!keys.has(key)) sender.cancel();
    for (const key of [...this.#pauses.keys()]) if (!keys.has(key)) this.#pauses.delete(key);
    const peers = new Set(tasks.map(({ to }) => to));
    for (const peer of [...this.#askAgainAt.keys()]) if (!peers.has(peer)) this.#askAgainAt.delete(peer);
    this.#startSome();
  }

  /** The peer can be reached again: what failed to reach it is tried at once. */
  peerIsBack(peer: NodeId): void {
    for (const { key, to } of this.#wanted) if (to === peer) this.#pauses.delete(key);
    this.#askAgainAt.delete(peer);
    this.#startSome();
  }

  receive(from: NodeId, message: ReceiverMessage): void {
    for (const { id, task, sender } of this.#runs.values()) {
      if (id !== message.id || task.to !== from) continue;
      sender.receive(message);
      if (message.kind === 'accept' && this.#askAgainAt.delete(from)) this.#startSome();
      return;
    }
  }

  disconnected(peer: NodeId): void {
    for (const { task, sender } of [...this.#runs.values()]) if (task.to === peer) sender.disconnected();
  }

  status(): TransferStatus[] {
    return this.#wanted.map((task) => this.#statusOf(task));
  }

  /** Resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { sender } of [...this.#runs.values()]) sender.cancel();
    if (this.#runs.size === 0) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #startSome(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isClosed) return;
    const now = this.#parts.environment.clock.now();
    let earliest = Number.POSITIVE_INFINITY;
    for (const task of this.#wanted) {
      if (this.#runs.has(task.key) || !this.#parts.isReachable(task.to)) continue;
      const askAgainAt = this.#askAgainAt.get(task.to);
      const until = Math.max(this.#pauses.get(task.key)?.until ?? now, askAgainAt ?? now);
      if (until > now) earliest = Math.min(earliest, until);
      else if (this.#runs.size < this.#parts.options.transfersMax) {
        this.#start(task, now);
        if (askAgainAt !== undefined) this.#askLater(task.to, now);
      }
    }
    if (earliest === Number.POSITIVE_INFINITY) return;
    this.#timer = this.#parts.environment.timers.after(earliest - now, () => this.#startSome());
  }

  #start(task: TransferTask, now: Instant): void {
    const head = this.#headOf(task);
    if (head === undefined) return;
    task.begin?.();
    const { store, options } = this.#parts;
    const alsoIn = task.purpose === 'rebuild' ? { alsoIn: task.partition } : {};
    const { messageBytesMax } = this.#parts.sender.messenger;
    const all = store.fold(task.source, { sliceBytes: options.batchBytes, ...alsoIn });
    const fold = new FittingFold(all, messageBytesMax, (item) => {
      const subject = store.subjectOf?.(item) ?? { partition: task.source };
      this.#notices.warn(() => ({ to: task.to, ...subject, bytes: item.length, bytesMax: messageBytesMax }));
    });
    const sender = new TransferSender(this.#parts.sender, {
      to: task.to,
      head,
      fold,
      ...(task.settled === undefined ? {} : { settled: task.settled }),
      finished: (outcome) => this.#finished(task, outcome),
    });
    const run: Run = { task, id: head.id, sender, fold, startedAt: now, bytesTotal: undefined };
    this.#runs.set(task.key, run);
    this.#estimate(run);
    sender.start();
  }

  #askLater(peer: NodeId, now: Instant): Instant {
    const at = after(now, passingDelayMs * (1 + this.#parts.environment.random.fraction()));
    this.#askAgainAt.set(peer, at);
    return at;
  }

  #headOf(task: TransferTask): Omit<OpenTransfer, 'first'> | undefined {
    const { self, environment } = this.#parts;
    const state = this.#parts.state();
    const from = state.members.get(self);
    const to = state.members.get(task.to);
    // A node hands nothing to itself (R20), and no member speaks for nobody.
    if (from === undefined || to === undefined || task.to === self) return undefined;
    return {
      kind: 'open',
      id: environment.random.bytes(idBytes).toString('hex'),
      purpose: task.purpose,
      partition: task.partition,
      source: task.source,
      since: task.since,
      clusterId: state.clusterId,
      generation: state.generation,
      epoch: state.epoch,
      fromInstance: from.instance,
      to: task.to,
      toInstance: to.instance,
    };
  }

  #estimate(run: Run): void {
    this.#parts.environment.tasks.spawn('handoff-estimate', async () => {
      try {
        run.bytesTotal = await this.#parts.store.approximateBytes(run.task.source);
      } catch (error) {
        // Only people miss it; the transfer itself finds out what storage can do.
        if (!(error instanceof PartitionStoreError)) throw error;
      }
    });
  }

  #finished(task: TransferTask, outcome: TransferOutcome): void {
    const tooLarge = this.#runs.get(task.key)?.fold.tooLarge ?? 0;
    this.#runs.delete(task.key);
    const { clock, log, random } = this.#parts.environment;
    const { retryDelayMs, retryDelayMsMax, repeatDelayMs } = this.#parts.options;
    const now = clock.now();
    if (outcome.kind === 'complete') {
      this.#pauses.set(task.key, { failures: 0, until: after(now, repeatDelayMs), lastError: undefined });
    } else if (outcome.kind === 'refused' && isPassing(outcome.code)) {
      const { failures = 0 } = this.#pauses.get(task.key) ?? {};
      const until = this.#askLater(task.to, now);
      this.#pauses.set(task.key, { failures, until, lastError: describe(outcome, tooLarge) });
    } else if (outcome.kind !== 'cancelled') {
      const failures = (this.#pauses.get(task.key)?.failures ?? 0) + 1;
      const lastError = describe(outcome, tooLarge);
      const delay = Math.min(retryDelayMs * 2 ** Math.min(failures - 1, 30), retryDelayMsMax);
      // Half of it by chance, so that many nodes that were refused at once do not come back at once.
      const until = after(now, delay / 2 + (delay / 2) * random.fraction());
      this.#pauses.set(task.key, { failures, until, lastError });
      const { purpose, partition, to } = task;
      log.warn('a transfer did not complete; it will be tried again', {
        purpose,
        partition,
        to,
        reason: lastError,
      });
    }
    task.finished(outcome);
    this.#startSome();
    if (this.#runs.size > 0) return;
    const drained = this.#drained;
    this.#drained = [];
    for (const resolve of drained) resolve();
  }

  #statusOf(task: TransferTask): TransferStatus {
    const run = this.#runs.get(task.key);
    const pause = this.#pauses.get(task.key);
    const { purpose, partition, source, to: peer } = task;
    const seconds = run === undefined ? 0 : (this.#parts.environment.clock.now() - run.startedAt) / 1000;
    const bytes = run?.sender.bytesRead ?? 0;
    const bytesPerSecond = seconds > 0 ? bytes / seconds : undefined;
    const left = run?.bytesTotal === undefined ? undefined : Math.max(0, run.bytesTotal - bytes);
    const canTell = left !== undefined && bytesPerSecond !== undefined && bytesPerSecond > 0;
    return {
      direction: 'out',
      purpose,
      partition,
      source,
      peer,
      state: run === undefined ? 'waiting' : 'running',
      bytes,
      bytesTotal: run?.bytesTotal,
      startedAt: run?.startedAt,
      bytesPerSecond,
      secondsLeft: canTell ? left / bytesPerSecond : undefined,
      failures: pause?.failures ?? 0,
      lastError: pause?.lastError,
    };
  }
}

function after(now: Instant, ms: number): Instant {
  return (now + ms) as Instant;
}

/** The news is on its way to the receiver, or another transfer is about to end: nobody needs to be told. */
function isPassing(code: TransferRefusalCode): boolean {
  return code === 'behind' || code === 'busy';
}

function describe(
  outcome: Exclude<TransferOutcome, { kind: 'complete' | 'cancelled' }>,
  tooLarge: number,
): string {
  switch (outcome.kind) {
    case 'unreadable': {
      const damaged = outcome.unreadable - tooLarge;
      const reasons: string[] = [];
      if (damaged > 0) reasons.push(`${damaged} items cannot be read here`);
      if (tooLarge > 0)
        reasons.push(`${tooLarge} items are too large for a message (cluster.message.maximum)`);
      return reasons.join('; ');
    }
    case 'refused':
      return `refused (${outcome.code}): ${outcome.reason}`;
    case 'unreachable':
      return 'the receiver does not answer';
    case 'failed':
      return outcome.reason;
  }
}
