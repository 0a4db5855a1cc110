/** What a node counts about itself. Counting is an addition; everything else happens when it is asked. */
import type { CrdtType } from '../crdt/index.ts';
import type { Timer, Timers } from '../environment/index.ts';
import type { KvObserver, LargeValueObserver, MapReduceObserver, RefusedWork } from '../kv/index.ts';
import { DatatypeMetrics } from './datatype-metrics.ts';
import { SlidingCounter, SlidingHistogram, sampleEveryMs } from './sliding-window.ts';

const microsecondsPerMs = 1000;

export class NodeMetrics implements KvObserver, LargeValueObserver, MapReduceObserver {
  readonly gets = new SlidingCounter();
  readonly getsNotFound = new SlidingCounter();
  readonly getErrors = new SlidingCounter();
  readonly puts = new SlidingCounter();
  readonly putErrors = new SlidingCounter();
  readonly deletes = new SlidingCounter();
  readonly deleteErrors = new SlidingCounter();
  readonly replicaReadErrors = new SlidingCounter();
  readonly readRepairs = new SlidingCounter();
  readonly readRepairsSkipped = new SlidingCounter();
  readonly tombstonesReaped = new SlidingCounter();
  readonly reapsPutOff = new SlidingCounter();
  readonly tombstonesLookedAt = new SlidingCounter();
  readonly expiredForgettings = new SlidingCounter();
  readonly readHedges = new SlidingCounter();
  readonly largeReadStalls = new SlidingCounter();
  readonly heldReads = new SlidingCounter();
  readonly widenedReads = new SlidingCounter();
  readonly coordinatorRedirects = new SlidingCounter();
  readonly replicaReplacements = new SlidingCounter();
  readonly missesDoubted = new SlidingCounter();
  readonly lists = new SlidingCounter();
  readonly queries = new SlidingCounter();
  readonly queryErrors = new SlidingCounter();
  queriesOpen = 0;
  readonly jobs = new SlidingCounter();
  readonly jobErrors = new SlidingCounter();
  readonly writeOncePuts = new SlidingCounter();
  readonly writeOnceMerges = new SlidingCounter();
  readonly writeOncePutTime = new SlidingHistogram();
  readonly writeOncePutSize = new SlidingHistogram();
  readonly serialisedWrites = new SlidingCounter();
  readonly serialisedFailures = new SlidingCounter();
  readonly siblingMerges = new SlidingCounter();
  readonly siblingMergeFailures = new SlidingCounter();
  readonly precommitFailures = new SlidingCounter();
  readonly postcommitFailures = new SlidingCounter();
  /** By outcome. */
  readonly largePuts = { stored: 0, failed: 0, broken_off: 0 };
  readonly largeGets = { done: 0, failed: 0 };
  readonly largeAssemblies = { done: 0, failed: 0 };
  readonly largeBytes = { stored: 0, sent: 0 };
  uploadsForgotten = 0;
  chunksForgotten = 0;
  readonly datatypes = new DatatypeMetrics();
  readonly overloads = new SlidingCounter();
  /** The overloads, by what there was too much of. */
  readonly refusals: Record<RefusedWork, number> = {
    requests: 0,
    turn: 0,
    reads: 0,
    writes: 0,
    storage: 0,
    forwarded: 0,
    replica: 0,
    strays: 0,
  };
  readonly protobufConnects = new SlidingCounter();
  readonly protobufRequests = new SlidingCounter();
  readonly protobufErrors = new SlidingCounter();
  /** Microseconds. */
  readonly getTime = new SlidingHistogram();
  readonly putTime = new SlidingHistogram();
  readonly deleteTime = new SlidingHistogram();
  /** Bytes, of objects that were found or stored. */
  readonly getSize = new SlidingHistogram();
  readonly putSize = new SlidingHistogram();
  readonly queryTime = new SlidingHistogram();
  readonly queryResults = new SlidingHistogram();
  readonly jobTime = new SlidingHistogram();
  readonly getSiblings = new SlidingHistogram();
  readonly putSiblings = new SlidingHistogram();

  readonly #timers: Timers;
  readonly #sampled: readonly (SlidingCounter | SlidingHistogram)[];
  #timer: Timer | undefined;

  constructor(timers: Timers) {
    this.#timers = timers;
    const own = Object.values(this).filter(
      (part) => part instanceof SlidingCounter || part instanceof SlidingHistogram,
    );
    this.#sampled = [...own, ...this.datatypes.sampled];
  }

  /** Begins to sample, until `stop`. */
  start(): void {
    this.#timer = this.#timers.after(sampleEveryMs, () => {
      for (const part of this.#sampled) part.sample();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  getFinished(
    durationMs: number,
    outcome: 'found' | 'notfound' | 'failed',
    bytes: number,
    siblings: number,
  ): void {
    this.gets.add();
    this.getTime.record(durationMs * microsecondsPerMs);
    if (outcome === 'found') {
      this.getSize.record(bytes);
      this.getSiblings.record(siblings);
    } else if (outcome === 'notfound') this.getsNotFound.add();
    else this.getErrors.add();
  }

  putFinished(durationMs: number, outcome: 'stored' | 'failed', bytes: number, siblings: number): void {
    this.puts.add();
    this.putTime.record(durationMs * microsecondsPerMs);
    if (outcome === 'stored') {
      this.putSize.record(bytes);
      this.putSiblings.record(siblings);
    } else this.putErrors.add();
  }

  writeOncePut(durationMs: number, bytes: number): void {
    this.writeOncePuts.add();
    this.writeOncePutTime.record(durationMs * microsecondsPerMs);
    if (bytes > 0) this.writeOncePutSize.record(bytes);
  }

  writeOnceMerged(): void {
    this.writeOnceMerges.add();
  }

  serialisedWrite(outcome: 'stored' | 'failed'): void {
    this.serialisedWrites.add();
    if (outcome === 'failed') this.serialisedFailures.add();
  }

  siblingsMerged(): void {
    this.siblingMerges.add();
  }

  siblingsUnmerged(): void {
    this.siblingMergeFailures.add();
  }

  deleteFinished(durationMs: number, outcome: 'deleted' | 'notfound' | 'failed'): void {
    this.deletes.add();
    this.deleteTime.record(durationMs * microsecondsPerMs);
    if (outcome === 'failed') this.deleteErrors.add();
  }

  readFailed(): void {
    this.replicaReadErrors.add();
  }

  readRepaired(replicas: number): void {
    this.readRepairs.add(replicas);
  }

  readRepairSkipped(): void {
    this.readRepairsSkipped.add();
  }

  tombstoneReaped(): void {
    this.tombstonesReaped.add();
  }

  reapPutOff(): void {
    this.reapsPutOff.add();
  }

  tombstoneLookedAt(): void {
    this.tombstonesLookedAt.add();
  }

  expiredForgotten(): void {
    this.expiredForgettings.add();
  }

  readWidened(): void {
    this.widenedReads.add();
  }

  largeReadStalled(): void {
    this.largeReadStalls.add();
  }

  readHeld(): void {
    this.heldReads.add();
  }

  readHedged(): void {
    this.readHedges.add();
  }

  writeForwarded(): void {
    this.coordinatorRedirects.add();
  }

  replicaReplaced(): void {
    this.replicaReplacements.add();
  }

  missDoubted(): void {
    this.missesDoubted.add();
  }

  jobFinished(durationMs: number, failed: boolean): void {
    this.jobs.add();
    this.jobTime.record(durationMs * microsecondsPerMs);
    if (failed) this.jobErrors.add();
  }

  precommitFailed(): void {
    this.precommitFailures.add();
  }

  postcommitFailed(): void {
    this.postcommitFailures.add();
  }

  datatypeFetched(type: CrdtType, outcome: 'found' | 'notfound' | 'failed'): void {
    this.datatypes.fetched(type, outcome);
  }

  datatypeUpdated(type: CrdtType, outcome: 'updated' | 'failed'): void {
    this.datatypes.updated(type, outcome);
  }

  deltaSent(bytes: number): void {
    this.datatypes.deltaSent(bytes);
  }

  deltaRefused(): void {
    this.datatypes.deltasRefused += 1;
  }

  largePutFinished(outcome: 'stored' | 'failed' | 'broken_off'): void {
    this.largePuts[outcome] += 1;
  }

  largeGetFinished(outcome: 'done' | 'failed'): void {
    this.largeGets[outcome] += 1;
  }

  largeValueAssembled(outcome: 'done' | 'failed'): void {
    this.largeAssemblies[outcome] += 1;
  }

  largeBytesStored(bytes: number): void {
    this.largeBytes.stored += bytes;
  }

  largeBytesSent(bytes: number): void {
    this.largeBytes.sent += bytes;
  }

  uploadForgotten(chunks: number): void {
    this.uploadsForgotten += 1;
    this.chunksForgotten += chunks;
  }

  listStarted(): void {
    this.lists.add();
  }

  queryStarted(): void {
    this.queries.add();
    this.queriesOpen += 1;
  }

  queryFinished(durationMs: number, results: number, succeeded: boolean): void {
    this.queriesOpen -= 1;
    this.queryTime.record(durationMs * microsecondsPerMs);
    this.queryResults.record(results);
    if (!succeeded) this.queryErrors.add();
  }

  overloaded(what: RefusedWork = 'requests'): void {
    this.overloads.add();
    this.refusals[what] += 1;
  }
}
