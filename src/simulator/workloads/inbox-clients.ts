/** People who send each other messages, through any node of a cluster, over inboxes that all of them update. */
import { Buffer } from 'node:buffer';
import type { DeleteResult, GetResult, KvError, PutResult } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import { type Delivery, siblingsMax } from '../checkers/inbox-complete.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { Unanswered } from './database-node.ts';
import { expectError } from './expected-errors.ts';
import {
  deliver,
  type InboxBucket,
  type InboxObject,
  type InboxStore,
  messageName,
  readTimeline,
  type Timeline,
} from './inbox-timeline.ts';

export interface InboxClientsOptions {
  readonly users: number;
  readonly recipientsMax: number;
  readonly pageMax: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

/** There was no answer, or one that says so. */
class Unacknowledged extends Error {
  override readonly name = 'Unacknowledged';
}

/** When the world began, for the names of messages. */
const epochSeconds = 1_300_000_000;
/** Messages that a client sends at once, now and then. */
export const burstMax = 8;
const downPauseMs = 20;
const deliveryAttemptsMax = 4;

export class InboxClients {
  readonly deliveries: Delivery[] = [];
  readonly violations: string[] = [];
  /** The most that were seen of any object. */
  siblingsSeen = 0;
  readonly #world: World;
  readonly #options: InboxClientsOptions;

  constructor(world: World, options: InboxClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    const { users, recipientsMax, pauseMsMean } = this.#options;
    const store = this.storeOf(random, nodes);
    while (!isOver()) {
      await this.#world.sleep(random.exponential(pauseMsMean));
      if (random.chance(0.2)) {
        await this.#look(store, userName(random.below(users)));
        continue;
      }
      const messages = random.chance(0.05) ? burstMax : 1;
      const sending = Array.from({ length: messages }, () => {
        // Everybody writes to the first.
        const to = new Set([0]);
        for (let n = random.below(recipientsMax); n > 0; n -= 1) to.add(random.below(users));
        return this.#send(random, store, [...to].map(userName));
      });
      await Promise.all(sending);
    }
  }

  /** A client's way to the database: each request to any node. */
  storeOf(random: Prng, nodes: () => readonly ClusterMember[]): InboxStore {
    return {
      read: (bucket, key) => this.#read(random.pick(nodes()), bucket, key),
      write: (bucket, key, value, context) => this.#write(random.pick(nodes()), bucket, key, value, context),
    };
  }

  /** As often as it takes. */
  async timelineOf(store: InboxStore, user: string): Promise<Timeline> {
    for (;;) {
      const timeline = await acknowledged(readTimeline(store, user));
      if (timeline !== undefined) return timeline;
    }
  }

  /** V1, of the messages themselves. */
  async checkMessages(store: InboxStore, names: Iterable<string>): Promise<void> {
    for (const name of names) {
      let found = await acknowledged(store.read('messages', name));
      while (found === undefined) found = await acknowledged(store.read('messages', name));
      if (found.values.length === 0)
        this.violations.push(`V1 the message ${name} is in an inbox and is lost`);
    }
  }

  async #look(store: InboxStore, user: string): Promise<void> {
    const timeline = await acknowledged(readTimeline(store, user));
    if (timeline === undefined) return;
    this.#world.work.add('timelines read');
    this.#world.work.add('names read', timeline.names.length);
  }

  async #send(random: Prng, store: InboxStore, to: readonly string[]): Promise<void> {
    const second = epochSeconds + this.#world.nowMs / 1000;
    const name = messageName(second, random.below(2 ** 30).toString(36));
    const text = Buffer.from(JSON.stringify({ at: second, to }));
    // An inbox must not name what is not there.
    let isStored = false;
    for (let attempt = 0; attempt < deliveryAttemptsMax && !isStored; attempt += 1) {
      isStored =
        (await acknowledged(store.write('messages', name, text, undefined).then(() => true))) === true;
    }
    if (!isStored) return;
    await Promise.all(to.map((user) => this.#deliver(store, user, name)));
  }

  async #deliver(store: InboxStore, user: string, name: string): Promise<void> {
    const delivery: Delivery = { user, name, isAcknowledged: false };
    this.deliveries.push(delivery);
    const { pageMax } = this.#options;
    for (let attempt = 0; attempt < deliveryAttemptsMax && !delivery.isAcknowledged; attempt += 1) {
      const done = await acknowledged(deliver(store, user, name, pageMax).then(() => true));
      delivery.isAcknowledged = done === true;
    }
    this.#world.work.add(delivery.isAcknowledged ? 'deliveries' : 'deliveries that failed');
    this.#world.record(user, delivery.isAcknowledged ? 'delivered' : 'unsure', name);
  }

  async #read(node: ClusterMember, bucket: InboxBucket, key: string): Promise<InboxObject> {
    const { timeoutMs } = this.#options;
    const request = { ...addressOf(bucket, key), timeoutMs };
    const result = await node.ask<GetResult>((store, done) => store.get(request, done));
    const answer = await this.#answered(result);
    assert(answer.kind !== 'unchanged', 'nobody asked for changes only');
    if (answer.kind === 'notfound') return { values: [], context: answer.tombstone?.context };
    const { object } = answer;
    this.siblingsSeen = Math.max(this.siblingsSeen, object.siblingCount);
    if (object.siblingCount > siblingsMax) {
      this.violations.push(`V4 ${bucket}/${key} has ${object.siblingCount} siblings`);
    }
    return { values: object.contents().map(({ value }) => value), context: object.context };
  }

  async #write(
    node: ClusterMember,
    bucket: InboxBucket,
    key: string,
    value: Buffer,
    context: Buffer | undefined,
  ): Promise<void> {
    const { timeoutMs } = this.#options;
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const request = {
      ...addressOf(bucket, key),
      content,
      timeoutMs,
      ...(context === undefined ? {} : { context }),
    };
    await this.#answered(await node.ask<PutResult>((store, done) => store.put(request, done)));
  }

  async #answered<Result extends GetResult | PutResult | DeleteResult>(
    result: Result | Unanswered,
  ): Promise<Exclude<Result, { readonly kind: 'failed' }>> {
    if (typeof result === 'string') {
      await this.#world.sleep(downPauseMs);
      throw new Unacknowledged(result);
    }
    if (result.kind !== 'failed') return result as Exclude<Result, { readonly kind: 'failed' }>;
    expectError(this.#world, this.#options.expectedErrors, result.error);
    throw new Unacknowledged(result.error.code);
  }
}

export function userName(number: number): string {
  return `user${number}`;
}

function addressOf(bucket: InboxBucket, key: string) {
  return { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket), key: byteLiteral(key) };
}

/** Undefined: it was not. */
async function acknowledged<Result>(asked: Promise<Result>): Promise<Result | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Unacknowledged) return undefined;
    throw error;
  }
}
