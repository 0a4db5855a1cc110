/**
 * Applications that work through the typed client, each in a process of its own on the simulated network: the same code
 * that a program far away runs. What it is told of each write is remembered as the client tells it: acknowledged, of unknown
 * outcome, or without effect.
 */
import { counter, type Database, HaleError, openRemote, register, set } from '../../client/index.ts';
import type { Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';

/** The bucket types that this needs, and their data types. */
export const typedClientTypes: ReadonlyMap<string, string | undefined> = new Map([
  ['counters', 'counter'],
  ['sets', 'set'],
  ['maps', 'map'],
  ['plain', undefined],
]);

/** What faults may make of a call. Anything else is a bug. */
const explained: ReadonlySet<string> = new Set([
  'timeout',
  'unavailable',
  'quorum',
  'connection_lost',
  'overload',
  'contended',
  'server',
]);
const keysOfEach = 2;
const timeoutMs = 4000;
const againMs = 200;
const connectsAnewChance = 0.05;

/** What is known of writes that each add something of their own. */
class Ledger {
  readonly acked = new Set<string>();
  readonly unsure = new Set<string>();

  /** What is there that never was written, or that the client was told had no effect; and what is missing. */
  violations(what: string, found: Iterable<string>): string[] {
    const there = new Set(found);
    const missing = [...this.acked].filter((one) => !there.has(one));
    const ghosts = [...there].filter((one) => !this.acked.has(one) && !this.unsure.has(one));
    return [
      ...missing.map((one) => `${what}: ${one} was acknowledged and is missing`),
      ...ghosts.map((one) => `${what}: ${one} had no effect, and is there`),
    ];
  }
}

const profileFields = { name: register(), visits: counter(), tags: set() };

export class TypedClients {
  readonly #world: World;
  readonly #counts = new Map<string, { acked: number; unsure: number }>();
  readonly #ledgers = new Map<string, Ledger>();
  readonly #address: () => string;
  #serial = 0;

  /** `address`: the nodes that programs are told of when they connect. */
  constructor(world: World, address: () => string) {
    this.#world = world;
    this.#address = address;
  }

  /**
   * Starts the process `name`, and works until `isOver`. Now and then it connects anew, to the nodes of that time. Resolves when
   * it has ended its work.
   */
  async run(name: string, random: Prng, isOver: () => boolean): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#world.node(name).boot(async (environment) => {
        while (!isOver()) {
          const db = await this.#open(environment);
          do {
            await new Promise<void>((wake) => environment.timers.after(random.exponential(60), wake));
            await this.#step(db, random);
          } while (!isOver() && !random.chance(connectsAnewChance));
          await db.close();
        }
        resolve();
      });
    });
  }

  async #open(environment: Environment): Promise<Database> {
    this.#world.work.add('connections of programs');
    return this.#untilAnswered(() =>
      openRemote(this.#address(), environment, { timeoutMs, connectTimeoutMs: 1000 }),
    );
  }

  async #step(db: Database, random: Prng): Promise<void> {
    this.#serial += 1;
    const own = `n${this.#serial}`;
    const key = `k${random.below(keysOfEach)}`;
    switch (random.below(6)) {
      case 0:
        return this.#increment(db, key, 1 + random.below(3));
      case 1:
        return this.#add(`set ${key}`, own, () => db.set('s').add(key, [own]));
      case 2: {
        // All three or none.
        const change = { name: own, visits: { increment: 1 }, tags: { add: [own] } };
        const profiles = db.map('m', { fields: profileFields });
        return this.#add(`map ${key}`, own, () => profiles.update(key, change));
      }
      case 3: {
        const lists = listsOf(db);
        return this.#add(`list ${key}`, own, () => lists.update(key, (all = []) => [...all, own]));
      }
      case 4: {
        const entries = db.bucket<string>('e', { type: 'plain', merge: 'latest' });
        const indexes = { of_bin: 'all' };
        return this.#add('entries', own, () => entries.put(own, own, { ifAbsent: true, indexes }));
      }
      default:
        return this.#query(db, random);
    }
  }

  async #increment(db: Database, key: string, by: number): Promise<void> {
    const count = this.#counts.get(key) ?? { acked: 0, unsure: 0 };
    this.#counts.set(key, count);
    const outcome = await this.#outcome(() => db.counter('c').increment(key, by));
    if (outcome === 'acked') count.acked += by;
    if (outcome === 'unsure') count.unsure += by;
  }

  async #add(what: string, own: string, write: () => Promise<unknown>): Promise<void> {
    const ledger = this.#ledger(what);
    // Others may meet it while its outcome is not yet known.
    ledger.unsure.add(own);
    const outcome = await this.#outcome(write);
    if (outcome === 'acked') ledger.acked.add(own);
    if (outcome !== 'unsure') ledger.unsure.delete(own);
  }

  /** Each replica that is asked may lack what others have: what is found was written, and is found once. */
  async #query(db: Database, random: Prng): Promise<void> {
    const isIndex = random.chance(0.5);
    const outcome = await this.#outcome(async () => {
      const found = isIndex ? await indexed(db, random.chance(0.5)) : await listed(db);
      assert(new Set(found).size === found.length, 'no key is found twice');
      const { acked, unsure } = this.#ledger('entries');
      const ghosts = found.filter((key) => !acked.has(key) && !unsure.has(key));
      assert(ghosts.length === 0, `${isIndex ? 'the index' : 'the listing'} has ${ghosts.join()}`);
    });
    if (outcome === 'acked') this.#world.work.add('queries');
  }

  async #outcome(call: () => Promise<unknown>): Promise<'acked' | 'unsure' | 'none'> {
    try {
      await call();
      this.#world.work.add('acked calls');
      return 'acked';
    } catch (error) {
      if (!(error instanceof HaleError) || !explained.has(error.code)) throw error;
      this.#world.work.add(error.unknownOutcome ? 'calls of unknown outcome' : 'failed calls');
      return error.unknownOutcome ? 'unsure' : 'none';
    }
  }

  #ledger(what: string): Ledger {
    const known = this.#ledgers.get(what) ?? new Ledger();
    this.#ledgers.set(what, known);
    return known;
  }

  /** At rest: what is wrong with what a client reads, in a process `name`. */
  violations(name: string): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#world
        .node(name)
        .boot(async (environment) => resolve(await this.#judge(await this.#open(environment))));
    });
  }

  async #judge(db: Database): Promise<readonly string[]> {
    const found: string[] = [];
    for (const [key, { acked, unsure }] of this.#counts) {
      const value = await this.#untilAnswered(() => db.counter('c').get(key));
      if (value < acked || value > acked + unsure) {
        found.push(`counter ${key} is ${value}: ${acked} were acknowledged, ${unsure} may have happened`);
      }
    }
    for (const [what, ledger] of this.#ledgers) {
      found.push(
        ...ledger.violations(what, await this.#untilAnswered(() => this.#contents(db, what, found))),
      );
    }
    return found;
  }

  async #contents(db: Database, what: string, violations: string[]): Promise<Iterable<string>> {
    const [kind, key] = what.split(' ');
    switch (kind) {
      case 'set':
        return db.set('s').get(key!);
      case 'map': {
        const value = await db.map('m', { fields: profileFields }).get(key!);
        const { visits, tags } = value ?? { visits: 0, tags: new Set<string>() };
        if (visits !== tags.size)
          violations.push(`${what}: ${visits} visits and ${tags.size} tags, made together`);
        return tags;
      }
      case 'list':
        return (await listsOf(db).get(key!)) ?? [];
      default: {
        const [byKey, byIndex] = [await listed(db), await indexed(db, true)];
        if (byKey.length !== byIndex.length) {
          violations.push(`${what}: ${byKey.length} by their keys, ${byIndex.length} by the index`);
        }
        return byIndex;
      }
    }
  }

  async #untilAnswered<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (!(error instanceof HaleError) || !explained.has(error.code)) throw error;
        await this.#world.sleep(againMs);
      }
    }
  }
}

/** Concurrent lists are joined by the application. */
function listsOf(db: Database) {
  return db.bucket<readonly string[]>('l', {
    type: 'plain',
    merge: (siblings) => [...new Set(siblings.flatMap(({ value }) => value))].sort(),
  });
}

async function listed(db: Database): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const key of db.bucket('e', { type: 'plain' }).keys()) keys.push(key);
  return keys;
}

async function indexed(db: Database, inPages: boolean): Promise<readonly string[]> {
  const entries = db.bucket('e', { type: 'plain' });
  const keys: string[] = [];
  if (!inPages) {
    for await (const { key } of entries.query('of_bin', 'all')) keys.push(key);
    return keys;
  }
  for await (const { matches } of entries.pages('of_bin', { from: 'all', to: 'all' }, { size: 7 })) {
    keys.push(...matches.map(({ key }) => key));
  }
  return keys;
}
