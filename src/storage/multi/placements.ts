/**
 * Which backend each bucket's entries are in: what was set for the bucket, else for its type, else the default.
 *
 * A name is *moving* from the moment its backend changes until every entry of it is in the new one: until then an
 * entry that is not there may be in any other.
 */
import { Buffer } from 'node:buffer';
import type { ByteString } from '../../stdx/index.ts';

/** The default backend, whatever its name: so it may be given another. */
export const home = '';

/** The name under which everything is moving: it is not known where entries are. */
export const everything = '' as ByteString;

const version = 1;

export interface Place {
  readonly backend: string;
  readonly isMoving: boolean;
}

/** The backend of each bucket and type that has one of its own. */
export type BackendRules = ReadonlyMap<ByteString, string>;

interface StoredPlacements {
  readonly version: number;
  readonly rules: readonly (readonly [name: string, backend: string])[];
  readonly moving: readonly string[];
  /** Backends that may hold entries, and their kinds. */
  readonly used: readonly (readonly [backend: string, kind: string])[];
}

export class Placements {
  readonly rules: BackendRules;
  readonly moving: ReadonlySet<ByteString>;
  /** Backends beside the default that may hold entries. */
  readonly used: ReadonlySet<string>;
  readonly #places = new Map<ByteString, Place>();
  readonly #typeOf: (bucket: ByteString) => ByteString;
  readonly #otherwise: Place;
  /** Everything is in the default backend, and nowhere else. */
  readonly isPlain: boolean;

  constructor(parts: {
    readonly rules: BackendRules;
    readonly moving: ReadonlySet<ByteString>;
    readonly used: ReadonlySet<string>;
    readonly typeOf: (bucket: ByteString) => ByteString;
  }) {
    this.rules = parts.rules;
    this.moving = parts.moving;
    this.used = parts.used;
    this.#typeOf = parts.typeOf;
    const allMove = this.moving.has(everything);
    this.#otherwise = { backend: home, isMoving: allMove };
    for (const [name, backend] of this.rules) {
      this.#places.set(name, { backend, isMoving: allMove || this.moving.has(name) });
    }
    for (const name of this.moving) {
      if (!this.#places.has(name)) this.#places.set(name, { backend: this.#ruledBy(name), isMoving: true });
    }
    this.isPlain = this.#places.size === 0 && !allMove;
  }

  of(bucket: ByteString): Place {
    if (this.isPlain) return this.#otherwise;
    return this.#places.get(bucket) ?? this.#places.get(this.#typeOf(bucket)) ?? this.#otherwise;
  }

  get isSettled(): boolean {
    return this.moving.size === 0;
  }

  /** As it is from the moment at which these rules hold: what they change is moving. */
  changedTo(rules: BackendRules): Placements {
    const moving = new Set(this.moving);
    for (const [name, backend] of rules) if (this.rules.get(name) !== backend) moving.add(name);
    for (const name of this.rules.keys()) if (!rules.has(name)) moving.add(name);
    const used = new Set([...this.used, ...rules.values()]);
    used.delete(home);
    return this.#with({ rules, moving, used });
  }

  /** As it is when every entry is in its place. */
  settled(): Placements {
    const used = new Set(this.rules.values());
    used.delete(home);
    return this.#with({ rules: this.rules, moving: new Set(), used });
  }

  encode(kindOf: (backend: string) => string): Buffer {
    const stored: StoredPlacements = {
      version,
      rules: [...this.rules],
      moving: [...this.moving],
      used: [...this.used].map((backend) => [backend, kindOf(backend)]),
    };
    return Buffer.from(JSON.stringify(stored), 'utf8');
  }

  #with(parts: {
    readonly rules: BackendRules;
    readonly moving: ReadonlySet<ByteString>;
    readonly used: ReadonlySet<string>;
  }): Placements {
    return new Placements({ typeOf: this.#typeOf, ...parts });
  }

  #ruledBy(name: ByteString): string {
    return name === everything ? home : (this.rules.get(this.#typeOf(name)) ?? home);
  }
}

/** What `encode` wrote, with a kind for each used backend; undefined: it is damaged. */
export function decodePlacements(bytes: Buffer):
  | {
      readonly rules: BackendRules;
      readonly moving: ReadonlySet<ByteString>;
      readonly used: ReadonlyMap<string, string>;
    }
  | undefined {
  try {
    const stored = JSON.parse(bytes.toString('utf8')) as StoredPlacements;
    if (stored.version !== version) return undefined;
    return {
      rules: new Map(stored.rules as readonly (readonly [ByteString, string])[]),
      moving: new Set(stored.moving as readonly ByteString[]),
      used: new Map(stored.used),
    };
  } catch {
    return undefined;
  }
}
