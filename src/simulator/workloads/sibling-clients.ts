/**
 * Clients that write sets of numbers to a few keys without reading, in a bucket that has a function merge what is too much.
 *
 * N1  What is shown of a key, all siblings together, has every number of an acknowledged write, and none that nobody wrote.
 */
import { Buffer } from 'node:buffer';
import type { GetResult, KvError, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeContent } from '../../wire/index.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';
import type { ScriptedFunction } from './scripted-sandbox.ts';

export interface SiblingClientsOptions {
  readonly bucket: string;
  readonly keys: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

interface SiblingWrite {
  readonly id: number;
  readonly key: string;
  outcome: 'unknown' | 'acked' | 'refused';
}

interface Siblings {
  readonly values: readonly { readonly metadata: object; readonly data: string }[];
}

export class SiblingClients {
  readonly #writes: SiblingWrite[] = [];
  readonly #world: World;
  readonly #options: SiblingClientsOptions;

  constructor(world: World, options: SiblingClientsOptions) {
    this.#world = world;
    this.#options = options;
  }

  get functions(): ReadonlyMap<string, ScriptedFunction> {
    return new Map<string, ScriptedFunction>([['unite', (object) => this.#united(object as Siblings)]]);
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      await this.#put(random.pick(nodes()), `key${random.below(this.#options.keys)}`);
    }
  }

  /** In words. Every node answers. */
  async checkAtRest(random: Prng, nodes: readonly ClusterMember[]): Promise<readonly string[]> {
    const violations: string[] = [];
    for (const key of new Set(this.#writes.map((write) => write.key))) {
      const request = { ...this.#address(key), timeoutMs: this.#options.timeoutMs };
      const result = await random.pick(nodes).ask<GetResult>((store, done) => store.get(request, done));
      if (typeof result === 'string' || result.kind === 'failed') {
        violations.push(`N1 ${key} cannot be read at rest`);
        continue;
      }
      const contents = result.kind === 'found' ? result.object.contents() : [];
      const shown = new Set(contents.flatMap(({ value }) => JSON.parse(value.toString('utf8')) as number[]));
      for (const { id, outcome, key: written } of this.#writes) {
        if (written !== key) continue;
        if (outcome === 'acked' && !shown.has(id)) violations.push(`N1 ${key} has lost ${id}`);
        if (outcome === 'refused' && shown.has(id)) violations.push(`N1 ${key} has ${id}, which was refused`);
        shown.delete(id);
      }
      for (const id of shown) violations.push(`N1 ${key} has ${id}, which nobody wrote there`);
    }
    return violations;
  }

  #united({ values }: Siblings): unknown {
    const all = new Set(values.flatMap(({ data }) => JSON.parse(data) as number[]));
    this.#world.work.add('merges of siblings');
    return { values: [{ ...values[0], data: JSON.stringify([...all].sort((a, b) => a - b)) }] };
  }

  async #put(node: ClusterMember, key: string): Promise<void> {
    const write: SiblingWrite = { id: this.#writes.length + 1, key, outcome: 'unknown' };
    this.#writes.push(write);
    const value = Buffer.from(JSON.stringify([write.id]));
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const request = { ...this.#address(key), content, timeoutMs: this.#options.timeoutMs };
    const result = await node.ask<PutResult>((store, done) => store.put(request, done));
    if (result === 'down') write.outcome = 'refused';
    else if (result !== 'gone') {
      if (result.kind === 'stored') write.outcome = 'acked';
      else expectError(this.#world, this.#options.expectedErrors, result.error);
    }
    this.#world.work.add(`${write.outcome} puts of siblings`);
    this.#world.record(node.name, `sibling ${write.outcome}`, `${key}: ${write.id}`);
    if (typeof result === 'string') await this.#world.sleep(20);
  }

  #address(key: string) {
    const { bucket } = this.#options;
    return { bucketType: byteLiteral('default'), bucket: byteLiteral(bucket), key: byteLiteral(key) };
  }
}
