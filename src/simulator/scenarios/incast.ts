/**
 * Incast: several replicas answer one read at once, through one port of a shallow switch. Its queue holds less than
 * their windows together, so tails of windows are dropped, which only the sender's timer notices: 200 ms for what takes
 * two (Phanishayee et al., FAST 2008; the port is that of a gigabit switch with 64 KiB for each port).
 *
 * Here the same reads are made in both ways over bare connections: the value from each of three replicas, and the
 * value from one with digests from the rest, as `kv/coordinator/remote-reads.ts` asks for it.
 */
import { Buffer } from 'node:buffer';
import type { Connection, Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Scenario } from '../scenario.ts';
import { LengthFrameReader, lengthFrame } from '../workloads/length-frames.ts';
import type { World } from '../world.ts';

/** `tbf rate 1gbit burst 16kb limit 64kb`. */
export const shallowPort = { bytesPerMs: 125_000, burstBytes: 16 * 1024, limitBytes: 64 * 1024 };
const valueBytes = 256 * 1024;
const digestBytes = 32;
const replicas = ['near', 'far', 'farther'];
const reader = 'reader';
const port = 7400;
const connectMsMax = 1000;
const readsEach = 60;
/** In which the windows find their size. */
const readsBefore = 5;
/** A read that waited for a retransmission timer. */
const stallMs = 200;
const collapsedStallsMin = 2;
/** In the worst of seeds; ten in most. */
const gainMin = 1.5;
/** A stream alone fills the port too, and may lose the tail of its last window. */
const aloneStallsMax = 3;

interface Carried {
  readonly megabitsPerSecond: number;
  readonly stalls: number;
}

export const incast: Scenario = {
  name: 'incast',
  describe: 'three values through one shallow switch port collapse, one value with digests does not',
  seedsInCheck: 3,
  async run(world) {
    world.work.atLeast('reads', 2 * readsEach);
    world.work.atLeast('retransmission timeouts', collapsedStallsMin);
    for (const name of replicas) await serve(world, name);
    world.network.setPort(world.node(reader).host, shallowPort);
    const connections = await Promise.all(replicas.map((name) => Answers.from(world, name)));
    const all = await measure(world, connections, () => valueBytes);
    const one = await measure(world, connections, (position) => (position === 0 ? valueBytes : digestBytes));
    world.work.add('Mbit/s of three values', Math.round(all.megabitsPerSecond));
    world.work.add('Mbit/s of one value and digests', Math.round(one.megabitsPerSecond));
    world.work.add('stalls of one value and digests', one.stalls);
    assert(all.stalls >= collapsedStallsMin, `three values collapse: ${all.stalls} stalls`);
    assert(one.stalls <= aloneStallsMax, `one value and digests: ${one.stalls} stalls`);
    assert(one.megabitsPerSecond > all.megabitsPerSecond * gainMin, 'one value and digests carry more');
  },
};

/** Values per time, each counted once however often it came. */
async function measure(
  world: World,
  connections: readonly Answers[],
  bytesOf: (position: number) => number,
): Promise<Carried> {
  const tookMs: number[] = [];
  const readOne = async (): Promise<void> => {
    const askedMs = world.nowMs;
    await Promise.all(connections.map((answers, position) => answers.ask(bytesOf(position))));
    tookMs.push(world.nowMs - askedMs);
    world.work.add('reads');
  };
  for (let read = 0; read < readsBefore; read++) await readOne();
  tookMs.length = 0;
  const startMs = world.nowMs;
  for (let read = 0; read < readsEach; read++) await readOne();
  const bits = readsEach * valueBytes * 8;
  return {
    megabitsPerSecond: bits / (world.nowMs - startMs) / 1000,
    stalls: tookMs.filter((ms) => ms >= stallMs).length,
  };
}

/** Answers a number with as many bytes. */
async function serve(world: World, name: string): Promise<void> {
  const { network } = world.node(name).environment;
  await network.listen({ host: name, port }, (connection) => {
    const questions = new LengthFrameReader();
    return {
      data: (chunk) => {
        for (const body of questions.bodies(chunk)) {
          connection.write(lengthFrame(Buffer.alloc(body.readUInt32LE())));
        }
      },
      drain: () => undefined,
      closed: () => undefined,
    };
  });
}

class Answers {
  readonly #connection: Connection;
  /** In the order of the questions, which is that of the answers. */
  readonly #waiting: (() => void)[] = [];

  private constructor(connection: Connection) {
    this.#connection = connection;
  }

  static async from(world: World, name: string): Promise<Answers> {
    const { network }: Environment = world.node(reader).environment;
    const frames = new LengthFrameReader();
    let answers: Answers | undefined;
    const connection = await network.connect(
      { host: world.node(name).host, port },
      () => ({
        data: (chunk) => {
          for (const _ of frames.bodies(chunk)) answers!.#arrived();
        },
        drain: () => undefined,
        closed: () => undefined,
      }),
      connectMsMax,
    );
    answers = new Answers(connection);
    return answers;
  }

  #arrived(): void {
    this.#waiting.shift()?.();
  }

  ask(bytes: number): Promise<void> {
    const question = Buffer.alloc(4);
    question.writeUInt32LE(bytes);
    this.#connection.write(lengthFrame(question));
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}
