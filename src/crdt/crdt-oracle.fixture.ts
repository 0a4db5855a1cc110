/**
 * Counters, sets and maps as plain sets of facts: slow, and with nothing left out. A replica knows which
 * dots it has seen and which are dead at which place; what a dot wrote is global knowledge. Joining is
 * union. There is no context to compress, no normal form, and an update is applied step by step.
 */
import type { ByteString } from '../stdx/index.ts';
import type { CrdtOperation, FieldOperation, MapField } from './index.ts';

/** Names from the outermost map inwards, then an element of a set, then `leaf` or `touch`. */
type Place = readonly string[];

type Payload =
  | { readonly kind: 'counter'; readonly actor: string; readonly added: bigint; readonly taken: bigint }
  | { readonly kind: 'register'; readonly micros: number; readonly value: ByteString }
  | { readonly kind: 'mark' };

interface Effect {
  readonly dot: string;
  readonly place: Place;
  readonly payload: Payload;
}

/** What a replica knows. */
export interface Knowledge {
  readonly seen: ReadonlySet<string>;
  /** `deadAt(dot, place)`: the dot's effects at this place and all below it are removed. */
  readonly dead: ReadonlySet<string>;
}

export const nothingKnown: Knowledge = { seen: new Set(), dead: new Set() };

export function joinKnowledge(a: Knowledge, b: Knowledge): Knowledge {
  return { seen: new Set([...a.seen, ...b.seen]), dead: new Set([...a.dead, ...b.dead]) };
}

export interface OracleUpdate {
  readonly operation: CrdtOperation;
  readonly dot: string;
  readonly actor: string;
  readonly micros: number;
  readonly context: ReadonlySet<string> | undefined;
}

const deadAt = (dot: string, place: Place) => JSON.stringify([dot, place]);
const startsWith = (place: Place, prefix: Place) => prefix.every((name, i) => place[i] === name);
const nameOf = ({ name, type }: MapField) => `${type}:${name}`;

export class Oracle {
  readonly #effects: Effect[] = [];

  /** The delta, or undefined if the update is refused. */
  update(before: Knowledge, update: OracleUpdate): Knowledge | undefined {
    const request = new Request(this.#liveEffects(before), before, update);
    if (!request.apply(update.operation, [])) return undefined;
    this.#effects.push(...request.written);
    const seen = request.written.length > 0 ? [update.dot] : [];
    return { seen: new Set(seen), dead: request.dead };
  }

  /** The value in a form that compares; undefined at the top if nothing is there. */
  value(knowledge: Knowledge, type: CrdtOperation['kind']): unknown {
    return valueAt(this.#liveEffects(knowledge), type, []);
  }

  #liveEffects({ seen, dead }: Knowledge): Effect[] {
    return this.#effects.filter(({ dot, place }) => {
      if (!seen.has(dot)) return false;
      return !place.some((_, i) => dead.has(deadAt(dot, place.slice(0, i + 1))));
    });
  }
}

/** One request, applied step by step to what is live. */
class Request {
  readonly dead = new Set<string>();
  #live: Effect[];
  readonly #seen: ReadonlySet<string>;
  readonly #update: OracleUpdate;

  constructor(live: Effect[], before: Knowledge, update: OracleUpdate) {
    this.#live = live;
    this.#seen = before.seen;
    this.#update = update;
  }

  /** What of this request's own is left at its end. */
  get written(): Effect[] {
    return this.#live.filter(({ dot }) => dot === this.#update.dot);
  }

  apply(operation: CrdtOperation | FieldOperation, place: Place): boolean {
    const leaf = [...place, 'leaf'];
    switch (operation.kind) {
      case 'counter':
        this.#increment(leaf, operation.increment);
        return true;
      case 'flag':
        if (operation.enable) this.#write(leaf, { kind: 'mark' }, () => true);
        else this.#removeLeaf(leaf);
        return true;
      case 'register': {
        const payload = { kind: 'register', micros: this.#update.micros, value: operation.value } as const;
        const latest = latestOf(this.#at(leaf));
        this.#write(
          leaf,
          payload,
          (old) => old !== latest || (old.payload as { micros: number }).micros <= payload.micros,
        );
        return true;
      }
      case 'set':
        return operation.steps.every(({ kind, elements }) =>
          elements.every((element) => {
            const at = [...place, `e${element}`, 'leaf'];
            if (kind === 'add') this.#write(at, { kind: 'mark' }, () => true);
            else if (this.#update.context === undefined && this.#at(at).length === 0) return false;
            else this.#removeLeaf(at);
            return true;
          }),
        );
      case 'map':
        return (
          operation.removes.every((field) => this.#removeField([...place, nameOf(field)])) &&
          operation.updates.every(({ field, operation: nested }) => {
            const at = [...place, nameOf(field)];
            this.#write([...at, 'touch'], { kind: 'mark' }, () => true);
            return this.apply(nested, at);
          })
        );
      default:
        throw new Error(`the oracle does not know ${operation.kind}`);
    }
  }

  #at(place: Place): Effect[] {
    return this.#live.filter((effect) => startsWith(effect.place, place));
  }

  #write(place: Place, payload: Payload, replaces: (old: Effect) => boolean): void {
    this.#kill(this.#at(place).filter(replaces));
    this.#live.push({ dot: this.#update.dot, place, payload });
  }

  #increment(place: Place, increment: bigint): void {
    const { actor } = this.#update;
    let added = 0n;
    let taken = 0n;
    const own = this.#at(place).filter(
      ({ payload }) => payload.kind === 'counter' && payload.actor === actor,
    );
    for (const { payload } of own) {
      if (payload.kind !== 'counter') continue;
      added += payload.added;
      taken += payload.taken;
    }
    if (increment > 0n) added += increment;
    else taken -= increment;
    this.#write(place, { kind: 'counter', actor, added, taken }, (old) => own.includes(old));
  }

  #removeLeaf(place: Place): void {
    const { context } = this.#update;
    this.#kill(this.#at(place).filter(({ dot }) => context === undefined || context.has(dot)));
    for (const dot of context ?? []) if (!this.#seen.has(dot)) this.dead.add(deadAt(dot, place));
  }

  #removeField(place: Place): boolean {
    const { context } = this.#update;
    if (context === undefined && this.#at(place).length === 0) return false;
    for (const dot of context ?? this.#seen) this.dead.add(deadAt(dot, place));
    this.#live = this.#live.filter((effect) => {
      return !startsWith(effect.place, place) || !(context === undefined || context.has(effect.dot));
    });
    return true;
  }

  #kill(effects: readonly Effect[]): void {
    for (const { dot, place } of effects) {
      if (dot !== this.#update.dot) this.dead.add(deadAt(dot, place));
    }
    this.#live = this.#live.filter((effect) => !effects.includes(effect));
  }
}

/** Of assignments that are alike in time and value, the one with the smallest dot. */
function latestOf(effects: readonly Effect[]): Effect | undefined {
  const later = (a: Effect, b: Effect) => {
    const x = a.payload as { micros: number; value: string };
    const y = b.payload as { micros: number; value: string };
    if (x.micros !== y.micros) return x.micros - y.micros;
    if (x.value !== y.value) return x.value < y.value ? -1 : 1;
    return compareNames(b.dot, a.dot);
  };
  return [...effects].sort(later).at(-1);
}

/** In the order of dots: by actor, then by counter. */
function compareNames(a: string, b: string): number {
  const [x, y] = [a, b].map((name) => name.split(':').map(Number));
  return x![0]! - y![0]! || x![1]! - y![1]!;
}

function valueAt(live: readonly Effect[], type: string, place: Place): unknown {
  const here = live.filter((effect) => startsWith(effect.place, place));
  const leaf = here.filter((effect) => effect.place[place.length] === 'leaf');
  switch (type) {
    case 'counter':
      return leaf.reduce((sum, { payload }) => {
        return payload.kind === 'counter' ? sum + payload.added - payload.taken : sum;
      }, 0n);
    case 'flag':
      return leaf.length > 0;
    case 'register': {
      const latest = latestOf(leaf)?.payload;
      return latest?.kind === 'register' ? latest.value : undefined;
    }
    case 'set': {
      const elements = here.map((effect) => effect.place[place.length]).filter((name) => name !== 'touch');
      return [...new Set(elements)].map((name) => name.slice(1)).sort();
    }
    default: {
      const names = here.map((effect) => effect.place[place.length]).filter((name) => name !== 'touch');
      return new Map(
        [...new Set(names)]
          .sort()
          .map((name) => [name, valueAt(live, name.slice(0, name.indexOf(':')), [...place, name])]),
      );
    }
  }
}
