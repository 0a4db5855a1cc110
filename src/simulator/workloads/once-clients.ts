/** Clients that write to a bucket whose objects are written once, several to the same keys, and delete some. */
import { Buffer } from 'node:buffer';
import type { DeleteResult, GetResult, KvError, PutResult } from '../../kv/index.ts';
import { assert, type ByteString, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { OnceDelete, OnceWrite } from '../checkers/written-once.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface OnceClientsOptions {
  readonly bucketType: ByteString;
  /** Of a thousand writes, so many go to a key that was written before, and so many requests are deletes. */
  readonly rewrites: number;
  readonly deletes: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

export class OnceClients {
  readonly writes: OnceWrite[] = [];
  readonly deletes: OnceDelete[] = [];
  readonly #world: World;
  readonly #options: OnceClientsOptions;
  #keys = 0;

  constructor(world: World, options: OnceClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  get keys(): readonly string[] {
    return Array.from({ length: this.#keys }, (_, at) => `key${at}`);
  }

  addressOf(key: string) {
    return { bucketType: this.#options.bucketType, bucket: byteLiteral('once'), key: byteLiteral(key) };
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    const { pauseMsMean, rewrites, deletes } = this.#options;
    while (!isOver()) {
      await this.#world.sleep(random.exponential(pauseMsMean));
      const node = random.pick(nodes());
      const isRewrite = this.#keys > 0 && random.below(1000) < rewrites;
      // Lately written keys: two writes of one may still be on their way.
      const at = isRewrite ? this.#keys - 1 - random.below(Math.min(this.#keys, 10)) : this.#keys;
      if (!isRewrite) this.#keys += 1;
      if (isRewrite && random.below(1000) < deletes) await this.#delete(node, `key${at}`);
      else await this.#put(node, `key${at}`);
    }
  }

  /** Asks until there is an answer. */
  async read(
    random: Prng,
    nodes: readonly ClusterMember[],
    key: string,
  ): Promise<{ readonly id: number; readonly stamp: number } | undefined> {
    for (;;) {
      const request = { ...this.addressOf(key), timeoutMs: this.#options.timeoutMs };
      const result = await random.pick(nodes).ask<GetResult>((store, done) => store.get(request, done));
      if (typeof result === 'string' || result.kind === 'failed') {
        await this.#world.sleep(20);
        continue;
      }
      if (result.kind !== 'found') return undefined;
      const [content, ...rest] = result.object.contents();
      assert(content !== undefined && rest.length === 0, 'an object that is written once has no siblings');
      return { id: content.value.readUInt32BE(0), stamp: content.lastModifiedMicros ?? 0 };
    }
  }

  async #put(node: ClusterMember, key: string): Promise<void> {
    const id = this.writes.length + 1;
    const write: OnceWrite = { key, id, outcome: 'unknown', endedMs: Number.POSITIVE_INFINITY };
    this.writes.push(write);
    const value = Buffer.alloc(4);
    value.writeUInt32BE(id);
    const request = {
      ...this.addressOf(key),
      content: encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false }),
      timeoutMs: this.#options.timeoutMs,
      // Says nothing in such a bucket.
      ifNoneMatch: true,
      returnObject: 'body' as const,
    };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    write.endedMs = this.#world.nowMs;
    if (result === 'down') write.outcome = 'refused';
    else if (result === 'gone') write.endedMs = Number.POSITIVE_INFINITY;
    else if (result.kind === 'stored') {
      write.outcome = 'acked';
      write.stamp = result.object?.contents()[0]?.lastModifiedMicros;
      assert(write.stamp !== undefined, 'what was stored is shown to who asks');
    } else {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      write.endedMs = Number.POSITIVE_INFINITY;
    }
    this.#world.work.add(`${write.outcome} puts`);
    this.#world.record(node.name, `put ${write.outcome}`, `${key}: ${id}`);
    if (typeof result === 'string') await this.#world.sleep(20);
  }

  async #delete(node: ClusterMember, key: string): Promise<void> {
    const beganMs = this.#world.nowMs;
    const request = { ...this.addressOf(key), timeoutMs: this.#options.timeoutMs };
    const result = await node.ask<DeleteResult>((store, done) => store.delete(request, done));
    if (result === 'down') return;
    if (result !== 'gone' && result.kind === 'notfound') return;
    const acked = result !== 'gone' && result.kind === 'deleted';
    if (result !== 'gone' && result.kind === 'failed')
      expectError(this.#world, this.#options.expectedErrors, result.error);
    this.deletes.push({ key, beganMs, acked });
    if (acked) this.#world.work.add('acked deletes');
    this.#world.record(node.name, `delete ${acked ? 'acked' : 'unknown'}`, key);
  }
}
