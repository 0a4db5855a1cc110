/**
 * A node's handoff: follows the cluster's state and decides what is sent where, takes in what others send, drops
 * what has moved away, returns what belongs to others. docs/internals/handoff.md tells the whole.
 */
import type { Buffer } from 'node:buffer';
import type { Environment, NodeId } from '../../environment/index.ts';
import type { Background } from '../background/index.ts';
import type { ClusterLog } from '../cluster/index.ts';
import type { LivenessView } from '../liveness/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from '../topology/index.ts';
import { channel, type Messenger } from '../transport/index.ts';
import { isBehind, type TransferRefusal } from './admit-transfer.ts';
import { HANDOFF_OPTIONS, type HandoffOptions } from './handoff-options.ts';
import type { GateControl } from './move-gate.ts';
import { type MoveReport, OwnMoves } from './own-moves.ts';
import { keeperOf } from './partition-role.ts';
import { type PartitionStore, PartitionStoreError } from './partition-store.ts';
import { RateLimit } from './rate-limit.ts';
import { rebuildSources } from './rebuild-sources.ts';
import { Rebuilds } from './rebuilds.ts';
import { TransferReceiver } from './receive-transfers.ts';
import { StrayLedger } from './stray-ledger.ts';
import { decodeTransferMessage } from './transfer-codec.ts';
import type { TransferMessage, WantTransfer } from './transfer-message.ts';
import { TransferPool, type TransferStatus, type TransferTask } from './transfer-pool.ts';

export interface TransferSchedulerParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  /** What its reading and storing waits for. */
  readonly background: Background;
  readonly messenger: Messenger;
  readonly log: ClusterLog;
  readonly liveness: LivenessView;
  readonly store: PartitionStore;
  readonly gate: GateControl;
  /** To the cluster log's leader, until the state shows it. A report is of this very move: (partition, since). */
  readonly report: (moves: readonly Move[], what: MoveReport) => void;
  /** Whether this node may hold data that belongs to others has changed. True before the first call. */
  readonly strays: (hasStrays: boolean) => void;
  /** Storage has more to do than it can: handoff stands back. */
  readonly isLoaded: () => boolean;
  /** Why nothing can be taken in now (disk nearly full, too much stray data); undefined: it can. */
  readonly refuses: () => TransferRefusal | undefined;
  readonly options?: HandoffOptions;
}

/** As many as a ring of a thousand partitions can ask one node for at once; what is beyond is asked for again. */
const earlyMax = 8192;

export class TransferScheduler {
  readonly #parts: TransferSchedulerParts;
  readonly #self: NodeId;
  readonly #options: HandoffOptions;
  readonly #ledger: StrayLedger;
  readonly #moves: OwnMoves;
  readonly #rebuilds: Rebuilds;
  readonly #receiver: TransferReceiver;
  readonly #pool: TransferPool;
  /** What the new owners of rebuilds have asked for. */
  readonly #asked = new Map<string, TransferTask>();
  /** What was asked for by who knows a later state: looked at again with the next one. */
  readonly #early = new Map<string, { readonly from: NodeId; readonly want: WantTransfer }>();
  #reachable: ReadonlySet<NodeId> = new Set();
  #isChecking = false;
  #isClosed = false;

  constructor(parts: TransferSchedulerParts) {
    const { environment, background, messenger, log, store, report, gate } = parts;
    const options = parts.options ?? HANDOFF_OPTIONS;
    const self = messenger.self;
    const state = (): ClusterState => log.state;
    const isReachable = (node: NodeId): boolean => this.#isReachable(node);
    this.#parts = parts;
    this.#self = self;
    this.#options = options;
    this.#ledger = new StrayLedger(parts.strays);
    gate.onStray((partition) => this.noteStray(partition));
    const changed = (): void => this.#want();
    this.#moves = new OwnMoves({ self, environment, state, store, gate, options, report, changed });
    this.#rebuilds = new Rebuilds({
      environment,
      self,
      messenger,
      state,
      isReachable,
      store,
      options,
      report,
    });
    this.#receiver = new TransferReceiver({
      environment,
      background,
      messenger,
      log,
      store,
      incoming: options.incoming,
      transfersMax: options.transfersMax,
      itemsPerTurnMax: options.itemsPerTurnMax,
      refuses: parts.refuses,
      complete: (_from, open, unreadable) => this.#rebuilds.received(open, unreadable),
    });
    const sender = {
      environment,
      background,
      messenger,
      rate: new RateLimit(options.bytesPerSecondMax),
      isBusy: (peer: NodeId) =>
        parts.isLoaded() || messenger.queuedBytes(peer, 'foreground') > options.foregroundBytesMax,
      busyPauseMs: options.busyPauseMs,
      outgoing: options.outgoing,
    };
    this.#pool = new TransferPool({ environment, sender, store, state, isReachable, self, options });
  }

  /** Begins to act. Once; what must be ready to serve is ready when this returns. */
  open(): void {
    const { log, liveness, messenger } = this.#parts;
    messenger.receive(channel.transfer, (from, body) => this.#receive(from, body));
    messenger.onDisconnect((peer, traffic) => {
      if (traffic !== 'handoff' || this.#isClosed) return;
      this.#pool.disconnected(peer);
      this.#receiver.disconnected(peer);
    });
    log.onState((state) => this.#follow(state));
    liveness.onChange(() => this.#livenessChanged());
    this.#reachable = this.#reachableNow();
    this.#follow(log.state);
  }

  /** A write made data in a partition that is not this node's. To be called before it is acknowledged. */
  noteStray(partition: Partition): void {
    if (this.#ledger.note(partition)) this.#want();
  }

  /** Storage may hold what it is not known to hold. */
  doubtStrays(): void {
    if (this.#isClosed) return;
    this.#ledger.doubt();
    this.#check();
  }

  get hasStrays(): boolean {
    return this.#ledger.hasStrays;
  }

  /** Partitions with data that belongs to others, and those of which that is not known yet. Ascending. */
  strayPartitions(): Partition[] {
    return [...this.#ledger.partitions(), ...this.#ledger.unchecked()].sort((a, b) => a - b);
  }

  transfers(): TransferStatus[] {
    const incoming = this.#receiver.progress().map(
      ({ from, open, bytes }): TransferStatus => ({
        direction: 'in',
        purpose: open.purpose,
        partition: open.partition,
        source: open.source,
        peer: from,
        state: 'running',
        bytes,
        bytesTotal: undefined,
        startedAt: undefined,
        bytesPerSecond: undefined,
        secondsLeft: undefined,
        failures: 0,
        lastError: undefined,
      }),
    );
    return [...this.#pool.status(), ...incoming];
  }

  /** Stops acting; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#moves.close();
    this.#rebuilds.close();
    this.#receiver.close();
    await this.#pool.close();
  }

  #follow(state: ClusterState): void {
    if (this.#isClosed) return;
    // The gate first: a copy's snapshot must be taken behind it (G1).
    this.#parts.gate.follow(state);
    this.#ledger.follow(this.#parts.gate.roles);
    this.#moves.follow(state);
    this.#receiver.follow();
    this.#rebuilds.follow(state);
    for (const [key, task] of this.#asked) {
      if (!this.#mayRebuild(task.to, task)) this.#asked.delete(key);
    }
    const early = [...this.#early.values()];
    this.#early.clear();
    for (const { from, want } of early) this.#takeUp(from, want);
    this.#want();
    this.#check();
  }

  #livenessChanged(): void {
    if (this.#isClosed) return;
    const before = this.#reachable;
    this.#reachable = this.#reachableNow();
    const back = [...this.#reachable].filter((node) => !before.has(node));
    for (const node of back.sort()) this.#pool.peerIsBack(node);
    this.#want();
    this.#rebuilds.advance();
  }

  #want(): void {
    if (this.#isClosed) return;
    const asked = [...this.#asked.values()];
    this.#pool.want([...this.#moves.tasks(), ...asked, ...this.#strayTasks()]);
  }

  #strayTasks(): TransferTask[] {
    const { state } = this.#parts.log;
    const tasks: TransferTask[] = [];
    for (const partition of this.#ledger.partitions()) {
      const to = keeperOf(state, partition);
      const move = state.moves.get(partition);
      const isClosed = move?.from === this.#self && move.stage !== 'planned';
      const isOurs = move?.to === this.#self && move.stage === 'copying';
      if (to === undefined || to === this.#self || isClosed || isOurs) continue;
      tasks.push(this.#strayTask(partition, to));
    }
    return tasks;
  }

  #strayTask(partition: Partition, to: NodeId): TransferTask {
    let mark: number | undefined;
    return {
      key: `stray ${partition} ${to}`,
      purpose: 'stray',
      partition,
      source: partition,
      to,
      since: 0,
      begin: () => {
        mark = this.#ledger.markOf(partition);
      },
      settled: (items: readonly Buffer[]) => this.#parts.store.forget(partition, items),
      finished: () => this.#look(partition, mark),
    };
  }

  #receive(from: NodeId, body: Buffer): void {
    if (this.#isClosed) return;
    const decoded = decodeTransferMessage(body);
    if (decoded.kind === 'message') {
      this.#dispatch(from, decoded.message);
      return;
    }
    // Dropped: the batch after it, or the sender's deadline, brings it again.
    this.#parts.environment.log.warn('a handoff message cannot be used', { from, reason: decoded.kind });
  }

  #dispatch(from: NodeId, message: TransferMessage): void {
    switch (message.kind) {
      case 'open':
      case 'batch':
      case 'end':
      case 'close':
        this.#receiver.receive(from, message);
        return;
      case 'want':
        this.#wanted(from, message);
        return;
      default:
        this.#pool.receive(from, message);
    }
  }

  #wanted(from: NodeId, want: WantTransfer): void {
    this.#parts.log.sawEpoch(want.generation, want.epoch);
    if (this.#takeUp(from, want)) this.#want();
  }

  /** False: it has been asked for before, must not be sent, or must wait for the next state. */
  #takeUp(from: NodeId, want: WantTransfer): boolean {
    const { partition, source, since } = want;
    const key = `rebuild ${partition} ${source} ${since}`;
    if (this.#asked.has(key)) return false;
    if (!this.#mayRebuild(from, want)) {
      const mayWait = isBehind(this.#parts.log.state, want) && this.#early.size < earlyMax;
      if (mayWait) this.#early.set(key, { from, want });
      return false;
    }
    this.#asked.set(key, {
      key,
      purpose: 'rebuild',
      partition,
      source,
      to: from,
      since,
      finished: ({ kind }) => {
        // What did not come about is tried again. Whoever needs it once more when it has, asks for it.
        if (kind !== 'complete' && kind !== 'unreadable' && kind !== 'cancelled') return;
        this.#asked.delete(key);
        this.#want();
      },
    });
    return true;
  }

  #mayRebuild(
    to: NodeId,
    { partition, source, since }: Omit<WantTransfer, 'kind' | 'generation' | 'epoch'>,
  ): boolean {
    const { state } = this.#parts.log;
    const move = state.moves.get(partition);
    const isSo =
      move?.from === undefined && move?.to === to && move.stage === 'copying' && move.since === since;
    if (!isSo || to === this.#self) return false;
    return rebuildSources(state, partition, this.#options.replicasMax).some(
      (one) => one.source === source && one.owner === this.#self,
    );
  }

  /** Looks at the partitions of which it is not known whether they hold anything, one after the other. */
  #check(): void {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#parts.environment.tasks.spawn('handoff-check', async () => {
      for (;;) {
        const partition = this.#ledger.firstUnchecked();
        if (partition === undefined || this.#isClosed) break;
        if (!(await this.#lookAt(partition, this.#ledger.markOf(partition)))) break;
      }
      this.#isChecking = false;
    });
  }

  #look(partition: Partition, mark: number | undefined): void {
    this.#parts.environment.tasks.spawn('handoff-look', async () => {
      await this.#lookAt(partition, mark);
    });
  }

  /** False: storage does not answer; it is tried again later. */
  async #lookAt(partition: Partition, mark: number | undefined): Promise<boolean> {
    if (mark === undefined) return true;
    const { store, environment } = this.#parts;
    try {
      const isEmpty = await store.isEmpty(partition);
      if (this.#isClosed) return false;
      const isConcerned = this.#ledger.found(partition, mark, isEmpty);
      if (isEmpty) environment.log.debug('nothing here belongs to the owner of the partition', { partition });
      if (isConcerned) this.#want();
      return true;
    } catch (error) {
      if (!(error instanceof PartitionStoreError)) throw error;
      environment.timers.after(this.#options.retryDelayMsMax, () => this.#check());
      return false;
    }
  }

  /** `suspect` counts as reachable: slow is not dead. Who is `down` by an operator's word is not asked. */
  #isReachable(node: NodeId): boolean {
    const member = this.#parts.log.state.members.get(node);
    return (
      member !== undefined && member.status !== 'down' && this.#parts.liveness.reachability(node) !== 'dead'
    );
  }

  #reachableNow(): ReadonlySet<NodeId> {
    return new Set([...this.#parts.log.state.members.keys()].filter((node) => this.#isReachable(node)));
  }
}
