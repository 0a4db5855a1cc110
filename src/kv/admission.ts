/** Lets requests in, or says why not, and tells the gate what it has to know of the world. */
import type { Foreground, RequestTimes } from '../core/background/index.ts';
import { AdmissionGate, type AdmittedWork, type OverloadCause } from '../core/vnode/index.ts';
import type { Clock, Instant, Tasks } from '../environment/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import type { KvObserver } from './kv-observer.ts';
import type { ReplicaPut } from './vnode/index.ts';

export interface AdmissionParts {
  readonly clock: Clock;
  readonly tasks: Pick<Tasks, 'endOfTurn'>;
  readonly commit: Pick<GroupCommit, 'pendingShare'>;
  readonly observer: Pick<KvObserver, 'overloaded'>;
  readonly settings: AdmissionSettings;
}

export interface AdmissionSettings {
  /** Requests in progress beyond which new ones are refused with `overload`. */
  readonly requestsMax: number;
  /** Milliseconds that a turn of the event loop may take for long before requests are refused. */
  readonly turnDelayMs?: number;
  /** Milliseconds that requests may all take for long before fewer are let in. */
  readonly requestDelayMs?: number;
}

const turnDelayMsDefault = 500;
const requestDelayMsDefault = 250;
/**
 * Of the bytes that may wait for storage: other nodes' writes may go beyond what clients may, for they were let in
 * elsewhere, and a replica that refuses makes more work than it saves. But not without end.
 */
const replicaWriteShare = 2;
const replicaRepairShare = 1;
/** Without a write for other nodes' clients for so long, nobody waits for this node's storage. */
const quietMs = 1000;
/** A step of handoff is taken this often under any load. */
const handoffStepMs = 50;

export class Admission implements Foreground {
  readonly #clock: Clock;
  readonly #tasks: Pick<Tasks, 'endOfTurn'>;
  readonly #commit: Pick<GroupCommit, 'pendingShare'>;
  readonly #observer: Pick<KvObserver, 'overloaded'>;
  readonly #gate: AdmissionGate;
  #stopped: Promise<void> | undefined;
  #handedOffAt: Instant;
  /** When another node last had this one store something for a client. */
  #replicaWriteAt = Number.NEGATIVE_INFINITY;
  readonly #reads = new RequestTally();
  readonly #writes = new RequestTally();
  #idle: (() => void) | undefined;
  readonly #turnEnded = (): void => this.#gate.turnEnded(this.#clock.now());

  constructor({ clock, tasks, commit, observer, settings }: AdmissionParts) {
    const { requestsMax, turnDelayMs, requestDelayMs } = settings;
    const options = {
      requestsMax,
      turnDelayMs: turnDelayMs ?? turnDelayMsDefault,
      requestDelayMs: requestDelayMs ?? requestDelayMsDefault,
    };
    this.#clock = clock;
    this.#tasks = tasks;
    this.#commit = commit;
    this.#observer = observer;
    this.#gate = new AdmissionGate(options, () => commit.pendingShare, clock.now());
    this.#handedOffAt = clock.now();
  }

  get inProgress(): number {
    return this.#gate.underWay;
  }

  get isStopping(): boolean {
    return this.#stopped !== undefined;
  }

  limitOf(kind: 'reads' | 'writes'): number {
    return this.#gate.limitOf(kind);
  }

  /** Why a request is refused before anything has happened; undefined: it is not, and may `enter`. */
  refusal(work: AdmittedWork, now: Instant): 'stopping' | 'overload' | undefined {
    if (this.isStopping) return 'stopping';
    this.#busy(now);
    const cause = this.#gate.refusal(work, now);
    if (cause === undefined) return undefined;
    this.#observer.overloaded(work === 'forwarded' ? work : cause);
    return 'overload';
  }

  /** Whether storage has room for what another node sends for a replica. */
  takesReplicaWrite(purpose: ReplicaPut['purpose']): boolean {
    const now = this.#clock.now();
    this.#busy(now);
    if (purpose !== 'repair') this.#replicaWriteAt = now;
    const share = purpose === 'repair' ? replicaRepairShare : replicaWriteShare;
    if (this.#commit.pendingShare < share) return true;
    this.#observer.overloaded('replica');
    return false;
  }

  /** Whether repairs should be left to a better time. */
  get defersRepair(): boolean {
    return this.#gate.defers('repair', this.#clock.now());
  }

  /**
   * Whether handoff should rest for now. It is let through now and then whatever the load: a cluster that has too much
   * to do must be able to grow. To be asked before each step.
   */
  defersHandoff(): boolean {
    const now = this.#clock.now();
    const isDue = now - this.#handedOffAt >= handoffStepMs && this.#commit.pendingShare < 1;
    if (!isDue && this.#gate.defers('handoff', now)) return true;
    this.#handedOffAt = now;
    return false;
  }

  isQuiet(now: Instant): boolean {
    return this.#gate.isQuiet(now) && now - this.#replicaWriteAt > quietMs;
  }

  /** Of reads, and of writes. */
  takeTimes(): readonly RequestTimes[] {
    return [this.#reads.take(), this.#writes.take()];
  }

  countSlow([reads, writes]: readonly number[]): void {
    if (reads !== undefined) this.#reads.slowFromMs = reads;
    if (writes !== undefined) this.#writes.slowFromMs = writes;
  }

  /** Every request that enters leaves once. */
  enter(work: AdmittedWork, now: Instant): void {
    this.#gate.enter(work, now);
  }

  /** `tookMs`: undefined if it failed. */
  leave(work: AdmittedWork, tookMs: number | undefined, now: Instant): void {
    this.#busy(now);
    this.#gate.leave(work, tookMs, now);
    if (tookMs !== undefined) (work === 'read' ? this.#reads : this.#writes).add(tookMs);
    if (this.inProgress === 0) this.#idle?.();
  }

  /** Refuses what comes. Resolves when all that had entered have left. */
  stop(): Promise<void> {
    this.#stopped ??= new Promise((resolve) => {
      if (this.inProgress === 0) resolve();
      else this.#idle = resolve;
    });
    return this.#stopped;
  }

  #busy(now: Instant): void {
    if (this.#gate.busy(now)) this.#tasks.endOfTurn(this.#turnEnded);
  }
}

/** The requests of a kind that have ended since somebody last asked. */
class RequestTally {
  slowFromMs = Number.POSITIVE_INFINITY;
  #count = 0;
  #totalMs = 0;
  #slow = 0;

  add(tookMs: number): void {
    this.#count += 1;
    this.#totalMs += tookMs;
    if (tookMs > this.slowFromMs) this.#slow += 1;
  }

  take(): RequestTimes {
    const taken = { count: this.#count, totalMs: this.#totalMs, slow: this.#slow };
    this.#count = 0;
    this.#totalMs = 0;
    this.#slow = 0;
    return taken;
  }
}

/** What is refused, and why, for those who count. */
export type RefusedWork = OverloadCause | 'forwarded' | 'replica' | 'strays';
