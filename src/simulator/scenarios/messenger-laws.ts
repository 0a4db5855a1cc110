/**
 * What messages between nodes must keep under every fault of network and processes (docs/internals/transport.md):
 *   T1. In order and at most once, for each sender, receiver and class; nothing of an earlier life after a later.
 *   T2. What arrives is what was sent, to whom it was sent.
 *   T3. Nothing arrives from a stranger: no member, another cluster, another instance, another secret.
 *   T4. After the faults every pair of members talks again, in every class, and stops making connections.
 *   T5. What waits for a peer stays within its bound.
 *   P1. Each request has one reply, in time.
 */
import type { TrafficClass } from '../../core/index.ts';
import type { Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { carryOutFaults, networkFaults, processFaults, randomFaultPlan } from '../fault-plan.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import {
  isFilledWith,
  MessengerNode,
  type MessengerNodeOptions,
  type NumberedMessage,
  queueBytesMax,
} from '../workloads/messenger-node.ts';
import type { World } from '../world.ts';

const members = ['n1@a', 'n2@b', 'n3@c'];
const classes: readonly TrafficClass[] = ['control', 'foreground', 'repair', 'handoff'];
const faultsMs = 20_000;
const bodyBytesMax = 200_000;
/** A deadline fires late by two ticks of its wheel; a paused process is later still. */
const replyLateMsMax = 50;

export const messengerLaws: Scenario = {
  name: 'messenger-laws',
  describe: 'messages between nodes arrive in order, once, from members only, whatever breaks',
  async run(world) {
    world.work.atLeast('messages', 2000);
    world.work.atLeast('answers', 300);
    world.work.atLeast('replies unreachable', 10);
    world.work.atLeast('faults', 20);
    world.work.atLeast('knocks of strangers', 30);
    await new MessengerStory(world).tell();
  },
};

/** Each gets something wrong, wherever it runs. */
const strangers: readonly (Partial<MessengerNodeOptions> & {
  readonly name: string;
  readonly host: string;
})[] = [
  { name: 'n4@d', host: 'd' },
  { name: 'n2@b', host: 'e', secret: 'a guess' },
  { name: 'n3@c', host: 'f', identity: { clusterId: 'another cluster' } },
  { name: 'n1@a', host: 'g', identity: { instance: 'of a lost disk' } },
];

class MessengerStory {
  readonly #world: World;
  readonly #nodes = new Map<string, MessengerNode>();
  readonly #lives = new Map<string, number>();
  /** By receiver, sender and class: the life and number that came last. */
  readonly #last = new Map<string, { life: number; number: number }>();
  #isOver = false;

  constructor(world: World) {
    this.#world = world;
  }

  async tell(): Promise<void> {
    const world = this.#world;
    for (const name of members) world.node(name).boot((environment) => this.#run(environment, name));
    for (const stranger of strangers) {
      world.node(`x@${stranger.host}`).boot((environment) => this.#intrude(environment, stranger));
    }
    const faults = randomFaultPlan(world.random.fork('faults'), {
      nodes: members,
      kinds: [...networkFaults, ...networkFaults, ...processFaults],
      untilMs: faultsMs,
      gapMsMean: 400,
      durationMsMean: 800,
    });
    await carryOutFaults(world, faults);
    await world.sleep(10_000);
    this.#isOver = true;
    await this.#checkHealed();
    await this.#replaceByImposter();
  }

  async #run(environment: Environment, name: string): Promise<void> {
    const life = (this.#lives.get(name) ?? 0) + 1;
    this.#lives.set(name, life);
    const received = (message: NumberedMessage): void => this.#received(name, message);
    const node = new MessengerNode(environment, { name, life, members, received });
    this.#nodes.set(name, node);
    await node.listen();
    const random = this.#world.random.fork(`talk ${name} ${life}`);
    const step = (): void => {
      if (this.#isOver) return;
      const to = random.pick(members.filter((other) => other !== name));
      const traffic = random.pick(classes);
      for (let i = random.below(4); i >= 0; i -= 1) {
        const bodyBytes = random.chance(0.05) ? random.below(bodyBytesMax) : random.below(300);
        if (!node.sendNumbered(to, traffic, bodyBytes)) this.#world.work.add('refused messages');
        this.#checkQueue(node, to, traffic);
      }
      if (random.chance(0.3))
        this.#ask(environment, node, to, random.below(1_000_000), random.between(5, 2000));
      environment.timers.after(random.exponential(15), step);
    };
    step();
  }

  #ask(environment: Environment, node: MessengerNode, to: string, text: number, timeoutMs: number): void {
    let replies = 0;
    const dueMs = environment.clock.now() + timeoutMs + replyLateMsMax;
    node.ask(to, String(text), timeoutMs, 'foreground', (reply) => {
      replies += 1;
      assert(replies === 1, 'P1: one reply');
      if (reply === String(text)) this.#world.work.add('answers');
      else {
        const isReason = reply === 'timeout' || reply === 'unreachable' || reply === 'overload';
        assert(isReason, `P1: a reply is the service's or a reason, not ${reply}`);
        this.#world.work.add(`replies ${reply}`);
      }
    });
    environment.timers.after(timeoutMs + replyLateMsMax, () => {
      // A process that was paused hears of its deadlines when it goes on, in whatever order.
      const isPunctual = environment.clock.now() < dueMs + 1;
      if (isPunctual) assert(replies === 1, 'P1: a reply in time');
    });
  }

  #received(name: string, message: NumberedMessage): void {
    const { from, life, traffic, number, body } = message;
    assert(members.includes(from), 'T3: only members are heard');
    assert(isFilledWith(body, number & 0xff), 'T2: what arrives is what was sent');
    const key = `${name} ${this.#lives.get(name)} from ${from} ${traffic}`;
    const last = this.#last.get(key) ?? { life: 0, number: -1 };
    assert(life >= last.life, 'T1: nothing of an earlier life after a later');
    if (life === last.life)
      assert(number > last.number, `T1: in order and once: ${number} after ${last.number}`);
    assert(life <= this.#lives.get(from)!, 'T3: the sender has lived that life');
    this.#last.set(key, { life, number });
    this.#world.work.add('messages');
    this.#world.record(name, 'received', `${from} ${traffic} ${number}`);
  }

  #checkQueue(node: MessengerNode, to: string, traffic: TrafficClass): void {
    const queued = node.messenger.queuedBytes(to as never, traffic);
    assert(queued <= queueBytesMax + 100_000, `T5: ${queued} bytes wait for ${to}`);
  }

  async #intrude(environment: Environment, stranger: (typeof strangers)[number]): Promise<void> {
    const received = (): void => assert(false, 'T3: a stranger hears nothing');
    const node = new MessengerNode(environment, { life: 9999, members, received, ...stranger });
    await node.listen();
    const random = this.#world.random.fork(`intruder ${stranger.host}`);
    await this.#knock(node, stranger.name, random, 40);
    assert(node.connections === 0, 'T3: a stranger is never welcomed');
  }

  async #knock(node: MessengerNode, name: string, random: Prng, times: number): Promise<void> {
    for (let i = 0; i < times; i += 1) {
      const to = random.pick(members.filter((other) => other !== name));
      node.sendNumbered(to, random.pick(classes), 10);
      this.#world.work.add('knocks of strangers');
      await this.#world.sleep(random.exponential(500));
    }
  }

  /** T4. */
  async #checkHealed(): Promise<void> {
    await this.#world.sleep(5000);
    const before = new Map([...this.#nodes].map(([name, node]) => [name, node.connections]));
    const heard = [...this.#last].length;
    assert(heard > 0, 'something was heard');
    const numbers = new Map([...this.#last].map(([key, { number }]) => [key, number]));
    for (const [name, node] of this.#nodes) {
      for (const to of members.filter((other) => other !== name)) {
        for (const traffic of classes) assert(node.sendNumbered(to, traffic, 10), 'T4: there is room again');
      }
    }
    await this.#world.sleep(2000);
    for (const [name] of this.#nodes) {
      for (const from of members.filter((other) => other !== name)) {
        for (const traffic of classes) {
          const key = `${name} ${this.#lives.get(name)} from ${from} ${traffic}`;
          const number = this.#last.get(key)?.number;
          assert(number !== undefined && number !== numbers.get(key), `T4: ${key} is heard again`);
        }
      }
    }
    // Connections that nothing breaks stay.
    await this.#world.sleep(20_000);
    for (const [name, node] of this.#nodes) {
      const made = node.connections - before.get(name)!;
      assert(made <= 2 * classes.length, `T4: ${name} made ${made} connections in calm`);
    }
  }

  /** T3, the other way: who answers at a member's address is not the member. */
  async #replaceByImposter(): Promise<void> {
    const world = this.#world;
    const [name, host] = ['n3@c', 'c'];
    const imposter = {
      ...world.random.pick(strangers.filter(({ name: each }) => each !== 'n4@d')),
      name,
      host,
    };
    world.node(name).kill();
    this.#nodes.delete(name);
    const { environment } = world.node(name);
    await Promise.all([
      this.#intrude(environment, imposter),
      ...[...this.#nodes].map(([to, node]) => this.#knock(node, to, world.random.fork(`caller ${to}`), 20)),
    ]);
  }
}
