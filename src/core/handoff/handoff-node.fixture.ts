/** A node of `HandoffWorld`: its store, gate and transfers in one life after another. */
import { Buffer } from 'node:buffer';
import type { Environment, NodeId } from '../../environment/index.ts';
import type { SimulatedProcess } from '../../simulator/index.ts';
import { BackgroundWork, unknownForeground } from '../background/index.ts';
import type { ClusterLog } from '../cluster/index.ts';
import type { Partition } from '../ring/index.ts';
import type { ClusterState, Move } from '../topology/index.ts';
import type { MessageHandler, Messenger } from '../transport/index.ts';
import type { HandoffWorld } from './handoff-world.fixture.ts';
import { MemoryDisk, type MemoryPut, MemoryStore } from './memory-store.fixture.ts';
import { MoveGate } from './move-gate.ts';
import { TransferScheduler } from './transfer-scheduler.ts';

const queuedMax = 4;
const forwardMsMax = 60;

export class HandoffNode {
  readonly name: NodeId;
  readonly disk = new MemoryDisk();
  readonly process: SimulatedProcess;
  state: ClusterState;
  store: MemoryStore | undefined;
  scheduler: TransferScheduler | undefined;
  hasStrays = true;
  readonly #cluster: HandoffWorld;
  #handler: MessageHandler | undefined;
  #onDisconnect: ((peer: NodeId, traffic: 'handoff') => void)[] = [];
  #onLiveness: (() => void)[] = [];
  #onState: ((state: ClusterState, before: ClusterState) => void)[] = [];
  #queued = new Map<NodeId, number>();
  #onRoom: { readonly to: NodeId; readonly run: () => void }[] = [];
  #life = 0;

  constructor(cluster: HandoffWorld, name: NodeId) {
    this.#cluster = cluster;
    this.name = name;
    this.state = cluster.state;
    this.process = cluster.world.node(name);
  }

  async boot(environment: Environment): Promise<void> {
    const { faults, missedMax } = this.#cluster;
    const first = faults.startsLenient ? { ...this.state, moves: new Map<Partition, Move>() } : this.state;
    const gate = new MoveGate<MemoryPut>({
      self: this.name,
      state: first,
      forward: (to, partition, put, done) =>
        this.#forward(environment, to, partition, put, (arrived) =>
          done(arrived || faults.forgetsMissed === true),
        ),
      bytesOf: () => 1,
      missed: { countMax: missedMax, bytesMax: 1_000_000 },
    });
    this.store = new MemoryStore(environment, this.disk, gate, faults);
    this.hasStrays = true;
    const log: ClusterLog = {
      state: this.state,
      onState: (changed) => void this.#onState.push(changed),
      propose: () => Promise.reject(new Error('not here')),
      sawEpoch: () => {},
    };
    Object.defineProperty(log, 'state', { get: () => this.state });
    this.scheduler = new TransferScheduler({
      environment,
      background: new BackgroundWork(environment, unknownForeground),
      messenger: this.#messenger(),
      log,
      liveness: {
        reachability: (node) => (this.#cluster.dead.has(node) ? 'dead' : 'alive'),
        hasStrays: () => true,
        onChange: (changed) => void this.#onLiveness.push(changed),
      },
      store: this.store,
      gate,
      report: (moves, what) => this.#cluster.report(moves, what),
      strays: (hasStrays) => {
        this.hasStrays = hasStrays;
      },
      isLoaded: () => false,
      refuses: () => (this.disk.isFull ? { code: 'full', reason: 'no space' } : undefined),
      options: this.#cluster.handoffOf(this.name),
    });
    this.scheduler.open();
  }

  died(): void {
    this.#life += 1;
    this.store = undefined;
    this.scheduler = undefined;
    this.#handler = undefined;
    this.#onDisconnect = [];
    this.#onLiveness = [];
    this.#onState = [];
    this.#queued = new Map();
    this.#onRoom = [];
    this.hasStrays = true;
  }

  learn(state: ClusterState): void {
    const before = this.state;
    this.state = state;
    for (const changed of this.#onState) changed(state, before);
  }

  livenessChanged(): void {
    for (const changed of this.#onLiveness) changed();
  }

  disconnected(peer: NodeId): void {
    for (const told of this.#onDisconnect) told(peer, 'handoff');
  }

  receive(from: NodeId, bytes: Buffer): void {
    if (this.process.isUp) this.#handler?.(from, bytes);
  }

  #messenger(): Messenger {
    const life = this.#life;
    return {
      self: this.name,
      messageBytesMax: Infinity,
      receive: (_on, handle) => {
        this.#handler = handle;
      },
      send: (to, _traffic, _on, length, fill) => {
        const queued = this.#queued.get(to) ?? 0;
        if (queued >= queuedMax) return false;
        this.#queued.set(to, queued + 1);
        const bytes = Buffer.alloc(length);
        fill(bytes, 0);
        const left = (): void => {
          if (life === this.#life) this.#madeRoom(to);
        };
        this.#cluster.deliver(
          this.name,
          to,
          () => {
            left();
            this.#cluster.node(to).receive(this.name, bytes);
          },
          left,
        );
        return true;
      },
      queuedBytes: (to, traffic) => (traffic === 'handoff' ? (this.#queued.get(to) ?? 0) : 0),
      whenWritable: (to, _traffic, run) => {
        if ((this.#queued.get(to) ?? 0) < queuedMax) run();
        else this.#onRoom.push({ to, run });
      },
      onDisconnect: (told) =>
        void this.#onDisconnect.push(told as (peer: NodeId, traffic: 'handoff') => void),
    };
  }

  #madeRoom(to: NodeId): void {
    this.#queued.set(to, (this.#queued.get(to) ?? 1) - 1);
    const waiting = this.#onRoom;
    this.#onRoom = [];
    for (const room of waiting) {
      if (room.to === to) room.run();
      else this.#onRoom.push(room);
    }
  }

  /** The vnode transport, as far as the gate needs it: an answer, or none within its time. */
  #forward(
    { timers }: Pick<Environment, 'timers'>,
    to: NodeId,
    partition: Partition,
    put: MemoryPut,
    done: (arrived: boolean) => void,
  ): void {
    let isOver = false;
    const finish = (arrived: boolean): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      done(arrived);
    };
    const timer = timers.after(forwardMsMax, () => finish(false));
    const life = this.#life;
    const cluster = this.#cluster;
    const answer = (isStored: boolean): void => {
      const arrive = (): void => {
        if (life === this.#life && this.process.isUp) finish(isStored);
      };
      cluster.deliver(to, this.name, arrive, () => {});
    };
    const arrive = (): void => {
      const receiver = cluster.node(to);
      if (receiver.process.isUp) receiver.store?.put(partition, put.key, put.writes, answer);
    };
    cluster.deliver(this.name, to, arrive, () => {});
  }
}
