/**
 * A thousand nodes, SWIM alone on bare links: what a node sends may not grow with the cluster, and what it hears
 * may come later but by the logarithm (SWIM §5). Bytes are those of the messages, without frames and TCP.
 */
import {
  defaultSwimOptions,
  envelopeBytes,
  type LivenessEvent,
  type Rumour,
  Swim,
} from '../../core/index.ts';
import { type Instant, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { PlannedEvent } from '../event-queue.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import type { World } from '../world.ts';

const idleMs = 5000;
const meetMsMax = 30_000;
/** That a thousand meet at once takes them half a minute, and the simulator too. */
const coldMax = 100;
const epochMsMax = 3000;
const deathMsMax = 8000;
/** The larger cluster may differ by the length of names. */
const growthMax = 1.1;

export const membershipThousand: Scenario = {
  name: 'membership-thousand',
  describe: 'a thousand nodes send no more than a hundred do, and hear of everything within seconds',
  seedsInCheck: 1,
  async run(world) {
    world.work.atLeast('bytes a second of each of 1000 nodes', 10);
    world.work.atLeast('epochs heard', 1000);
    const hundred = await new Crowd(world, 100).tell();
    const thousand = await new Crowd(world, 1000).tell();
    assert(thousand <= growthMax * hundred, `${thousand} bytes a second of each of 1000, ${hundred} of 100`);
  },
};

interface Fellow {
  readonly node: NodeId;
  readonly swim: Swim;
  epoch: number;
  isUp: boolean;
  wake: PlannedEvent | undefined;
}

class Crowd {
  readonly #world: World;
  readonly #random: Prng;
  readonly #fellows = new Map<NodeId, Fellow>();
  #bytes = 0;
  #isOver = false;
  /** Gossip tells only what all know already, and need not arrive: that would take most of the run. */
  #isIntroducing = false;

  constructor(world: World, count: number) {
    this.#world = world;
    this.#random = world.random.fork(`crowd of ${count}`);
    for (let i = 0; i < count; i++) {
      const node = nodeIdOf(`hale@10.0.${i >> 8}.${i & 255}`);
      const random = this.#random.fork(node);
      const swim = new Swim({ self: node, incarnation: 1e12, options: defaultSwimOptions, random });
      this.#fellows.set(node, { node, swim, epoch: 1, isUp: true, wake: undefined });
    }
  }

  /** Returns the bytes that a node sends in an idle second. */
  async tell(): Promise<number> {
    const nodes = [...this.#fellows.keys()];
    for (const fellow of this.#fellows.values()) this.#step(fellow, { kind: 'members', nodes });
    if (nodes.length > coldMax) this.#introduceAll();
    await this.#measure('ms to meet', meetMsMax, (fellow) => this.#digest === fellow.swim.digest);
    // News is told for a while after everybody knows it.
    await this.#untilQuiet();
    this.#isIntroducing = false;
    const before = this.#bytes;
    await this.#world.sleep(idleMs);
    const bytesPerSecond = Math.round((this.#bytes - before) / nodes.length / (idleMs / 1000));
    this.#world.work.add(`bytes a second of each of ${nodes.length} nodes`, bytesPerSecond);
    await this.#changeEpoch();
    await this.#loseOne();
    this.#isOver = true;
    return bytesPerSecond;
  }

  /** Each hears of all others in one message, as if they had joined one after another. */
  #introduceAll(): void {
    this.#isIntroducing = true;
    const said = { incarnation: 1e12, attributes: 1 };
    const rumours = [...this.#fellows.keys()].map(
      (node): Rumour => ({ node, status: 'alive', ...said, accusers: [], isRefused: false }),
    );
    for (const fellow of this.#fellows.values()) {
      const from = fellow === this.#first ? this.#up[1]! : this.#first;
      const message = { kind: 'gossip', ...said, digest: 0, rumours } as const;
      this.#step(fellow, { kind: 'message', from: from.node, message });
    }
  }

  async #changeEpoch(): Promise<void> {
    const first = this.#first;
    first.epoch = 2;
    this.#step(first, { kind: 'epoch-changed' });
    await this.#measure('ms for an epoch', epochMsMax, ({ epoch }) => epoch === 2);
    this.#world.work.add('epochs heard', this.#fellows.size);
  }

  async #loseOne(): Promise<void> {
    const first = this.#first;
    first.isUp = false;
    const isDead = ({ swim }: Fellow): boolean => swim.reachability(first.node) === 'dead';
    await this.#measure('ms for a death', deathMsMax, isDead);
    for (const { swim } of this.#up) {
      for (const { node } of this.#up) assert(swim.reachability(node) !== 'dead', `L2: ${node} lives`);
    }
  }

  get #first(): Fellow {
    return this.#up[0]!;
  }

  get #up(): readonly Fellow[] {
    return [...this.#fellows.values()].filter(({ isUp }) => isUp);
  }

  get #digest(): number {
    return this.#first.swim.digest;
  }

  async #measure(what: string, msMax: number, isSo: (fellow: Fellow) => boolean): Promise<void> {
    const from = this.#world.nowMs;
    const up = this.#up;
    while (!up.every(isSo)) {
      assert(this.#world.nowMs - from < msMax, `${what}: more than ${msMax}, of ${up.length}`);
      await this.#world.sleep(20);
    }
    this.#world.work.add(`${what}, of ${this.#fellows.size}`, Math.round(this.#world.nowMs - from));
  }

  async #untilQuiet(): Promise<void> {
    for (let second = 0; second < 60; second++) {
      const before = this.#bytes;
      await this.#world.sleep(1000);
      if (this.#bytes - before < quietBytesPerSecond * this.#fellows.size) return;
    }
    assert(false, 'news comes to an end');
  }

  #step(fellow: Fellow, event: LivenessEvent): void {
    if (!fellow.isUp || this.#isOver) return;
    const { node, swim, epoch } = fellow;
    for (const effect of swim.step(event, this.#world.nowMs as Instant)) {
      if (effect.kind !== 'send') continue;
      const { to, message } = effect;
      this.#bytes += envelopeBytes({ generation: 1, epoch, message });
      if (this.#isIntroducing && message.kind === 'gossip') continue;
      const delayMs = this.#random.between(0.2, 1);
      this.#world.after(delayMs, () => {
        const receiver = this.#fellows.get(to)!;
        this.#step(receiver, { kind: 'message', from: node, message });
        if (epoch <= receiver.epoch || !receiver.isUp) return;
        // The log itself is pulled from the sender; that takes as long again, which is left out.
        receiver.epoch = epoch;
        this.#step(receiver, { kind: 'epoch-changed' });
      });
    }
    this.#arm(fellow);
  }

  #arm(fellow: Fellow): void {
    const deadline = fellow.swim.deadline();
    if (deadline === undefined || fellow.wake?.atMs === deadline) return;
    if (fellow.wake !== undefined) fellow.wake.run = undefined;
    fellow.wake = this.#world.after(Math.max(0, deadline - this.#world.nowMs), () => {
      fellow.wake = undefined;
      this.#step(fellow, { kind: 'wake' });
    });
  }
}

/** Probes alone: four messages a second, each with nothing but its header. */
const quietBytesPerSecond = 100;
