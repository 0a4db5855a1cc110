/**
 * Clients that update data types through any node, some with what they read just now or long ago, some blindly; who
 * hears nothing may send the same again through another node. What they asked and were told goes into the history.
 */
import type { Buffer } from 'node:buffer';
import type { CrdtOperation, CrdtType, FieldOperation, MapField, MapFieldType } from '../../crdt/index.ts';
import type { DatatypeFetchResult, DatatypeUpdateOutcome, DeleteResult, KvError } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import {
  DatatypeKey,
  type DatatypeRead,
  type DatatypeUpdate,
  nothingShown,
  placesOf,
} from '../checkers/datatype-history.ts';
import { checkDatatypeRead } from '../checkers/datatypes-hold.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterMember } from './cluster-member.ts';
import { expectError } from './expected-errors.ts';

export interface DatatypeClientsOptions {
  readonly keysPerType: number;
  readonly pauseMsMean: number;
  readonly timeoutMs: number;
  /** Some sets are deleted now and then. */
  readonly deletes: boolean;
  readonly expectedErrors: ReadonlySet<KvError['code']>;
}

/** Bucket types, each with a bucket of its own name. */
export const datatypeBuckets: readonly { readonly name: string; readonly type: CrdtType }[] = [
  { name: 'counters', type: 'counter' },
  { name: 'sets', type: 'set' },
  { name: 'maps', type: 'map' },
  { name: 'gsets', type: 'gset' },
  { name: 'hlls', type: 'hll' },
];

/** The two sets of a map that are added to together. */
export const twinPlaces = { left: 'left:set/', right: 'right:set/' } as const;

const sharedElements = 3;
/** Long, so that a set soon travels as deltas. */
const elementLength = 40;
const contextsKeptMax = 6;
const incrementMax = 1_000_000;
const downPauseMs = 20;
const refusedCodes: ReadonlySet<KvError['code']> = new Set(['not_present']);

interface Seen {
  readonly read: DatatypeRead;
  readonly context: Buffer | undefined;
}

/** An operation, and what it means to the history. */
type Attempt = Pick<DatatypeUpdate, 'increments' | 'adds' | 'removes' | 'assigns' | 'isDelete'> & {
  readonly operation: CrdtOperation | undefined;
  readonly seen: Seen | undefined;
};

const noChange = { increments: new Map(), adds: [], removes: [], assigns: new Map(), isDelete: false };

export class DatatypeClients {
  readonly keys: readonly DatatypeKey[];
  readonly #world: World;
  readonly #options: DatatypeClientsOptions;
  readonly #contexts = new Map<DatatypeKey, Seen[]>();
  #moment = 0;
  #elements = 0;

  constructor(world: World, options: DatatypeClientsOptions) {
    this.#world = world;
    this.#options = options;
    this.keys = datatypeBuckets.flatMap(({ name, type }) =>
      Array.from({ length: options.keysPerType }, (_, at) => new DatatypeKey(`${name}/key${at}`, type)),
    );
  }

  async run(random: Prng, nodes: () => readonly ClusterMember[], isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean));
      const key = random.pick(this.keys);
      if (random.chance(0.4)) await this.fetch(random.pick(nodes()), key);
      await this.#world.sleep(random.exponential(this.#options.pauseMsMean / 4));
      const attempt = this.#attemptOf(random, key);
      const outcome = await this.#send(random.pick(nodes()), key, attempt);
      if (outcome === 'unknown' && random.chance(0.5)) {
        this.#world.work.add('updates sent again');
        await this.#send(random.pick(nodes()), key, attempt);
      }
    }
  }

  /** Undefined: there was no answer. A read that shows what cannot be fails the run. */
  async fetch(node: ClusterMember, key: DatatypeKey): Promise<DatatypeRead | undefined> {
    const { timeoutMs } = this.#options;
    const result = await node.ask<DatatypeFetchResult>((_store, done, { node: { database } }) =>
      database.datatypes.fetch({ ...addressOf(key), timeoutMs }, done),
    );
    if (typeof result === 'string') return this.#down();
    if (result.kind === 'failed') {
      expectError(this.#world, this.#options.expectedErrors, result.error);
      return undefined;
    }
    const shown = result.kind === 'found' ? placesOf(result.value) : nothingShown;
    const read = { key: key.key, endedAt: this.#nextMoment(), shown };
    this.#world.work.add('fetches');
    this.#world.record(node.name, 'fetch', `${key.key}: ${textOf(read)}`);
    refuse(checkDatatypeRead(read, key, twinPlaces));
    if (result.kind === 'found') this.#remember(key, { read, context: result.context });
    return read;
  }

  #remember(key: DatatypeKey, seen: Seen): void {
    const kept = this.#contexts.get(key) ?? [];
    this.#contexts.set(key, [...kept, seen].slice(-contextsKeptMax));
  }

  #attemptOf(random: Prng, key: DatatypeKey): Attempt {
    const increment = random.below(2 * incrementMax) - incrementMax || 1;
    switch (key.type) {
      case 'counter': {
        const operation = { kind: 'counter', increment: BigInt(increment) } as const;
        return { ...noChange, operation, increments: new Map([['', increment]]), seen: undefined };
      }
      case 'gset':
      case 'hll': {
        const adds = [this.#element(random)];
        return {
          ...noChange,
          operation: { kind: key.type, adds: adds.map(byteLiteral) },
          adds,
          seen: undefined,
        };
      }
      case 'set':
        return this.#setAttempt(random, key);
      case 'map':
        return this.#mapAttempt(random, key, increment);
    }
  }

  #setAttempt(random: Prng, key: DatatypeKey): Attempt {
    if (this.#options.deletes && key.key.endsWith('0') && random.chance(0.05)) {
      return { ...noChange, operation: undefined, removes: [''], isDelete: true, seen: undefined };
    }
    const removal = random.chance(0.4) ? this.#removal(random, key, '') : undefined;
    if (removal === undefined) {
      const adds = [this.#element(random)];
      return { ...noChange, operation: addOf(adds), adds, seen: undefined };
    }
    const { elements, seen } = removal;
    const operation = {
      kind: 'set',
      steps: [{ kind: 'remove', elements: elements.map(byteLiteral) }],
    } as const;
    return { ...noChange, operation, removes: elements, seen };
  }

  /**
   * `left` and `right` get the same elements, and lose none; `tags`, `inner.tags` and `on` are added to and taken from, with
   * their fields; `sum` and `name` are written only.
   */
  #mapAttempt(random: Prng, key: DatatypeKey, increment: number): Attempt {
    const element = this.#element(random);
    switch (random.below(8)) {
      case 0:
      case 1: {
        const adds = [twinPlaces.left + element, twinPlaces.right + element];
        const updates = [update('left', 'set', addOf([element])), update('right', 'set', addOf([element]))];
        return { ...noChange, operation: mapOf(updates), adds, seen: undefined };
      }
      case 2: {
        const operation = mapOf([
          update('sum', 'counter', { kind: 'counter', increment: BigInt(increment) }),
          update('name', 'register', { kind: 'register', value: byteLiteral(element) }),
        ]);
        const increments = new Map([['sum:counter/', increment]]);
        return {
          ...noChange,
          operation,
          increments,
          assigns: new Map([['name:register/', element]]),
          seen: undefined,
        };
      }
      case 3: {
        const operation = mapOf([update('on', 'flag', { kind: 'flag', enable: true })]);
        return { ...noChange, operation, adds: ['on:flag/'], seen: undefined };
      }
      case 4: {
        const seen = this.#seenBefore(random, key);
        const operation = mapOf([update('on', 'flag', { kind: 'flag', enable: false })]);
        return { ...noChange, operation, removes: ['on:flag/'], seen };
      }
      case 5: {
        const operation = mapOf([
          update('tags', 'set', addOf([element])),
          update('inner', 'map', mapOf([update('tags', 'set', addOf([element]))])),
        ]);
        const adds = [`tags:set/${element}`, `inner:map/tags:set/${element}`];
        return { ...noChange, operation, adds, seen: undefined };
      }
      case 6:
        return this.#fieldRemoval(random, key);
      default: {
        const removal = this.#removal(random, key, 'tags:set/');
        if (removal === undefined) return this.#fieldRemoval(random, key);
        const step = { kind: 'remove', elements: removal.elements.map(byteLiteral) } as const;
        const operation = mapOf([update('tags', 'set', { kind: 'set', steps: [step] })]);
        const removes = removal.elements.map((name) => `tags:set/${name}`);
        return { ...noChange, operation, removes, seen: removal.seen };
      }
    }
  }

  #fieldRemoval(random: Prng, key: DatatypeKey): Attempt {
    const [name, type] = random.pick([['tags', 'set'] as const, ['inner', 'map'] as const]);
    const operation = { kind: 'map', removes: [fieldOf(name, type)], updates: [] } as const;
    return { ...noChange, operation, removes: [`${name}:${type}/`], seen: this.#seenBefore(random, key) };
  }

  /** What to remove of the set at `place`, by whom. */
  #removal(
    random: Prng,
    key: DatatypeKey,
    place: string,
  ): { readonly elements: readonly string[]; readonly seen: Seen | undefined } | undefined {
    const seen = this.#seenBefore(random, key);
    const known = seen ?? this.#contexts.get(key)?.at(-1);
    const places = [...(known?.read.shown.places ?? [])].filter((name) => name.startsWith(place));
    const elements = places.map((name) => name.slice(place.length));
    // Of a set at the top all places are elements; those that all share are removed without having been seen, too.
    const chosen = random.chance(0.3) ? `s${random.below(sharedElements)}` : undefined;
    const element = chosen ?? (elements.length > 0 ? random.pick(elements) : undefined);
    return element === undefined ? undefined : { elements: [element], seen };
  }

  /** A context of some time ago, mostly the latest; undefined: none is sent. */
  #seenBefore(random: Prng, key: DatatypeKey): Seen | undefined {
    const kept = this.#contexts.get(key);
    if (kept === undefined || random.chance(0.2)) return undefined;
    return random.chance(0.6) ? kept.at(-1) : random.pick(kept);
  }

  #element(random: Prng): string {
    if (random.chance(0.2)) return `s${random.below(sharedElements)}`;
    this.#elements += 1;
    return `e${this.#elements}`.padEnd(elementLength, '.');
  }

  async #send(node: ClusterMember, key: DatatypeKey, attempt: Attempt): Promise<DatatypeUpdate['outcome']> {
    const { operation, seen, ...change } = attempt;
    const record: DatatypeUpdate = {
      ...change,
      key: key.key,
      invokedAt: this.#nextMoment(),
      endedAt: Number.POSITIVE_INFINITY,
      outcome: 'unknown',
      seen: seen?.read,
    };
    key.updates.push(record);
    const { timeoutMs } = this.#options;
    const address = addressOf(key);
    const result = await node.ask<DatatypeUpdateOutcome | DeleteResult>(
      (store, done, { node: { database } }) => {
        if (operation === undefined) store.delete({ ...address, timeoutMs }, done);
        else database.datatypes.update({ ...address, operation, context: seen?.context, timeoutMs }, done);
      },
    );
    record.outcome = this.#outcomeOf(result);
    if (record.outcome === 'acked') record.endedAt = this.#nextMoment();
    const kind = change.isDelete ? 'deletes' : change.removes.length > 0 ? 'removals' : 'updates';
    this.#world.work.add(`${record.outcome} ${kind}`);
    const what = [
      ...change.increments.values(),
      ...change.adds,
      ...change.removes.map((place) => `-${place}`),
    ];
    this.#world.record(node.name, `update ${record.outcome}`, `${key.key}: ${what.join()}`);
    if (typeof result === 'string') await this.#down();
    return record.outcome;
  }

  #outcomeOf(result: DatatypeUpdateOutcome | DeleteResult | 'down' | 'gone'): DatatypeUpdate['outcome'] {
    if (result === 'down') return 'refused';
    if (result === 'gone') return 'unknown';
    if (result.kind === 'notfound') return 'refused';
    if (result.kind !== 'failed') return 'acked';
    if (refusedCodes.has(result.error.code)) return 'refused';
    expectError(this.#world, this.#options.expectedErrors, result.error);
    return result.error.code === 'overload' ? 'refused' : 'unknown';
  }

  async #down(): Promise<undefined> {
    await this.#world.sleep(downPauseMs);
    return undefined;
  }

  #nextMoment(): number {
    this.#moment += 1;
    return this.#moment;
  }
}

export function addressOf({ key }: { readonly key: string }) {
  const slash = key.indexOf('/');
  const bucket = byteLiteral(key.slice(0, slash));
  return { bucketType: bucket, bucket, key: byteLiteral(key.slice(slash + 1)) };
}

function addOf(elements: readonly string[]) {
  return { kind: 'set', steps: [{ kind: 'add', elements: elements.map(byteLiteral) }] } as const;
}

function fieldOf(name: string, type: MapFieldType): MapField {
  return { name: byteLiteral(name), type };
}

function update(name: string, type: MapFieldType, operation: FieldOperation) {
  return { field: fieldOf(name, type), operation };
}

function mapOf(updates: readonly { readonly field: MapField; readonly operation: FieldOperation }[]) {
  return { kind: 'map', removes: [], updates } as const;
}

function textOf({ shown }: DatatypeRead): string {
  const { places, sums, registers, estimate = '' } = shown;
  return `${[...places].join()} ${[...sums].join()} ${[...registers].join()} ${estimate}`;
}

function refuse(violations: readonly string[]): void {
  if (violations.length > 0) throw new Error(violations.slice(0, 3).join(' · '));
}
