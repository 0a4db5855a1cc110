/** Clients of a bucket with commit hooks. Each write has a key of its own, so that whatever is shown tells which it was. */
import { Buffer } from 'node:buffer';
import type { DeleteResult, GetResult, KvError, PutResult } from '../../kv/index.ts';
import { assert, byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import {
  checkShown,
  type HookedKind,
  type HookedValue,
  type HookedWrite,
  isKept,
} from '../checkers/hooks-hold.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';
import type { ScriptedFunction } from './scripted-sandbox.ts';

export interface HookedClientsOptions {
  readonly bucket: string;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

/** As hooks see it. */
interface HookedObject {
  readonly key: string;
  readonly values: readonly [{ readonly metadata: Readonly<Record<string, unknown>>; readonly data: string }];
}

const kinds: readonly HookedKind[] = ['pass', 'pass', 'pass', 'change', 'change', 'refuse', 'throw'];

export class HookedClients {
  readonly writes: HookedWrite[] = [];
  /** Write → times that its post-commit hook was told. */
  readonly told = new Map<number, number>();
  readonly violations: string[] = [];
  readonly #world: World;
  readonly #options: HookedClientsOptions;

  constructor(world: World, options: HookedClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  /** What the bucket's hooks are, by what stands for their sources. */
  get functions(): ReadonlyMap<string, ScriptedFunction> {
    return new Map<string, ScriptedFunction>([
      ['guard', (object) => guarded(object as HookedObject)],
      ['sign', (object) => sealed(object as HookedObject, 'sign')],
      ['tell', (object) => this.#tell(object as HookedObject)],
    ]);
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const node = random.pick(nodes());
      const known = this.writes.length > 0 && random.chance(0.4) ? random.pick(this.writes) : undefined;
      if (known === undefined) await this.#put(random, node);
      else if (random.chance(0.3)) await this.#delete(node, known);
      else await this.read(node, known);
    }
  }

  /** Undefined: there was no answer. */
  async read(node: ClusterMember, write: HookedWrite): Promise<'shown' | 'missing' | undefined> {
    const request = { ...this.#address(write.key), timeoutMs: this.#options.timeoutMs };
    const result = await node.ask<GetResult>((store, done) => store.get(request, done));
    if (typeof result === 'string') return this.#down();
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      return undefined;
    }
    if (result.kind !== 'found') return 'missing';
    this.#world.work.add('values read');
    const [content] = result.object.contents();
    assert(content !== undefined, 'an object has a content');
    const problem = checkShown(write, JSON.parse(content.value.toString('utf8')) as HookedValue);
    if (problem !== undefined) this.violations.push(problem);
    return 'shown';
  }

  async #put(random: Prng, node: ClusterMember): Promise<void> {
    const id = this.writes.length + 1;
    const key = `${random.chance(0.3) ? 'kept' : 'key'}${id}`;
    const write: HookedWrite = { id, key, kind: random.pick(kinds), outcome: 'unknown', deleted: 'no' };
    this.writes.push(write);
    const value = Buffer.from(JSON.stringify({ id, kind: write.kind, seals: [] } satisfies HookedValue));
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const request = { ...this.#address(key), content, timeoutMs: this.#options.timeoutMs };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    if (result === 'down') write.outcome = 'refused';
    else if (result !== 'gone') {
      if (result.kind === 'stored') write.outcome = 'acked';
      else {
        expectError(this.#world, this.#options.expectedErrors, result.error);
        if (result.error.code === 'precommit_fail') write.outcome = 'refused';
      }
    }
    this.#world.work.add(`${write.outcome} puts to ${write.kind}`);
    this.#world.record(node.name, `put ${write.outcome}`, `${key}: ${write.kind}`);
    if (typeof result === 'string') await this.#down();
  }

  async #delete(node: ClusterMember, write: HookedWrite): Promise<void> {
    const request = { ...this.#address(write.key), timeoutMs: this.#options.timeoutMs };
    const before = write.deleted;
    // It may be read while it is under way.
    if (before === 'no') write.deleted = 'unknown';
    const isWritten = write.outcome === 'acked';
    const result = await node.ask<DeleteResult>((store, done) => store.delete(request, done));
    if (typeof result === 'string') {
      await this.#down();
      return;
    }
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      if (result.error.code === 'precommit_fail') this.#world.work.add('refused deletes');
    }
    // A write that is under way may come after it.
    if (result.kind === 'deleted' && isWritten) write.deleted = 'acked';
    this.#world.record(node.name, `delete ${result.kind}`, write.key);
  }

  #tell({ values: [{ metadata, data }] }: HookedObject): unknown {
    if (metadata['X-Riak-Deleted'] !== undefined) return null;
    const { id } = JSON.parse(data) as HookedValue;
    this.told.set(id, (this.told.get(id) ?? 0) + 1);
    this.#world.work.add('post-commit hooks told');
    return null;
  }

  #address(key: string) {
    const { bucket } = this.#options;
    return { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket), key: byteLiteral(key) };
  }

  async #down(): Promise<undefined> {
    await this.#world.sleep(20);
    return undefined;
  }
}

function guarded(object: HookedObject): unknown {
  if (object.values[0].metadata['X-Riak-Deleted'] !== undefined) {
    return isKept(object.key) ? { fail: 'kept' } : object;
  }
  const { kind } = JSON.parse(object.values[0].data) as HookedValue;
  if (kind === 'refuse') return { fail: 'refused' };
  if (kind === 'throw') throw new TypeError('the hook is broken');
  return kind === 'change' ? sealed(sealed(object, 'guard'), 'change') : sealed(object, 'guard');
}

function sealed(object: HookedObject, seal: string): HookedObject {
  const [value] = object.values;
  if (value.metadata['X-Riak-Deleted'] !== undefined) return object;
  const hooked = JSON.parse(value.data) as HookedValue;
  const data = JSON.stringify({ ...hooked, seals: [...hooked.seals, seal] });
  return { ...object, values: [{ ...value, data }] };
}
