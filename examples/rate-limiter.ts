/**
 * A distributed rate limiter on `hale/core` alone. Any node takes any request; what a client was granted is counted on
 * three replicas, and survives that the cluster grows from one node to three and shrinks to two.
 *
 * A count belongs to the limiter that made it, and only grows: so replicas merge by taking the greater of two, and a
 * request that arrives twice counts once. While nodes cannot reach each other each side grants on what it knows.
 */
import { randomUUID } from 'node:crypto';
import { jsonCodec, MemoryPartitions, openService, type ServiceNode } from 'hale/core';

/** Requests of one client in one window of time, by the limiter that took them. */
interface Taken {
  readonly client: string;
  readonly window: number;
  readonly by: Readonly<Record<string, number>>;
}

function merge(one: Taken, other: Taken): Taken {
  if (one.window !== other.window) return one.window > other.window ? one : other;
  const limiters = [...new Set([...Object.keys(one.by), ...Object.keys(other.by)])].sort();
  const counts = limiters.map((id) => [id, Math.max(one.by[id] ?? 0, other.by[id] ?? 0)] as const);
  return { ...one, by: Object.fromEntries(counts) };
}

const total = (taken: Taken): number => Object.values(taken.by).reduce((sum, count) => sum + count, 0);

class RateLimiter {
  readonly #id = randomUUID();
  readonly #node: ServiceNode<Taken, Taken>;
  readonly #known = new Map<string, Taken>();

  constructor(node: ServiceNode<Taken, Taken>) {
    this.#node = node;
  }

  /** Whether this request of the client is among the first `limit` of the present window. */
  async take(client: string, limit: number, windowMs: number): Promise<boolean> {
    const empty = { client, window: Math.floor(Date.now() / windowMs), by: {} };
    const known = merge(this.#known.get(client) ?? empty, empty);
    // Counts only grow: what is known to be used up needs no question.
    if (total(known) >= limit) return false;
    const mine = { ...known, by: { ...known.by, [this.#id]: (known.by[this.#id] ?? 0) + 1 } };
    this.#known.set(client, mine);
    const answers = await this.#node.ask(client, mine);
    const merged = answers.reduce(merge, this.#known.get(client) ?? mine);
    this.#known.set(client, merged);
    return total(merged) <= limit;
  }
}

const start = (name: string) =>
  openService<Taken, Taken>({
    configuration: {
      nodename: `${name}@127.0.0.1`,
      'listener.cluster.internal': { host: '127.0.0.1', port: 0 },
    },
    codec: jsonCodec(),
    replicas: 3,
    serve: (context) => {
      const partitions = new MemoryPartitions<Taken>(context, { nameOf: ({ client }) => client, merge });
      return { vnodes: partitions, store: partitions };
    },
  });

/** 100 requests of each of 20 clients, one after another through every node in turn, 60 allowed in an hour. */
const [limit, windowMs] = [60, 3_600_000];
const clients = Array.from({ length: 20 }, (_, i) => `client ${i}`);
let granted = 0;
async function take(times: number, ...limiters: readonly RateLimiter[]): Promise<void> {
  for (let i = 0; i < times; i++) {
    const limiter = limiters[i % limiters.length]!;
    const answers = await Promise.all(clients.map((client) => limiter.take(client, limit, windowMs)));
    granted += answers.filter(Boolean).length;
  }
  console.log(`${limiters.length} node(s): ${granted} granted`);
}

await using one = await start('one');
await using two = await start('two');
const three = await start('three');
const [first, second, third] = [one, two, three].map(({ node }) => new RateLimiter(node)) as [
  RateLimiter,
  RateLimiter,
  RateLimiter,
];
await take(20, first);
const seed = one.node.cluster.address!;
await two.node.join(seed, 30_000);
await three.node.join(seed, 30_000);
await Promise.all([take(30, first, second, third), one.node.settled(30_000)]);
await Promise.all([three.node.leave(30_000), take(5, first, second)]);
await three.close();
await take(45, first, second);
if (granted !== clients.length * limit) throw new Error('a count was lost, or a request');
