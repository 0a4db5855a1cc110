/** The registered bucket types, and how they are created, activated, updated and forgotten. */
import type { Buffer } from 'node:buffer';
import type { Log } from '../environment/index.ts';
import { type ByteString, textOfBytes } from '../stdx/index.ts';
import { backendProblems, type StorageBackends } from './backend-rules.ts';
import type { BucketProperties, BucketPropertyChanges, PropertyProblem } from './bucket-properties.ts';
import {
  type BucketType,
  type BucketTypeRefusal,
  bucketTypeOfStored,
  storedBucketType,
  typedDefaults,
} from './bucket-type.ts';
import { checkTypeName, checkUpdate, withHllPrecision } from './bucket-type-rules.ts';
import {
  bucketTypeName,
  bucketTypesPrefix,
  propertiesPrefixOf,
  typeOfBucketTypeName,
} from './properties-name.ts';
import { checkCombination } from './property-rules.ts';
import type { RegisteredChanges } from './registered-changes.ts';
import type { Registry } from './registry.ts';
import { overlaid } from './stored-properties.ts';

/** Every node holds them all, and a listing of anti-entropy asks for each. */
export const bucketTypesMax = 4096;

export interface BucketTypesParts {
  readonly registry: Registry;
  readonly changes: RegisteredChanges;
  /** Of buckets that have no type. */
  readonly defaults: BucketProperties;
  readonly log: Log;
  /** Its objects go, and then what is known of it: nobody may make it anew before. */
  readonly isBeingDropped: (name: ByteString) => boolean;
  readonly backends?: StorageBackends | undefined;
}

type Outcome = Promise<BucketTypeRefusal | undefined>;

/** The changes resolve when all is durable, with what was wrong if nothing was done; they reject with `KvFailure`. */
export class BucketTypes {
  readonly #registry: Registry;
  readonly #changes: RegisteredChanges;
  readonly #defaults: BucketProperties;
  readonly #log: Log;
  readonly #isBeingDropped: (name: ByteString) => boolean;
  readonly #backends: StorageBackends | undefined;
  readonly #types = new Map<ByteString, BucketType>();

  constructor({ registry, changes, defaults, log, backends, isBeingDropped }: BucketTypesParts) {
    this.#backends = backends;
    this.#registry = registry;
    this.#changes = changes;
    this.#defaults = typedDefaults(defaults);
    this.#log = log;
    this.#isBeingDropped = isBeingDropped;
    for (const name of registry.names(bucketTypesPrefix)) this.load(typeOfBucketTypeName(name)!);
  }

  /** The registry's. */
  get history(): string {
    return this.#registry.history;
  }

  /** Whatever its status. */
  get(name: ByteString): BucketType | undefined {
    return this.#types.get(name);
  }

  /** In the order of their names. */
  list(): readonly BucketType[] {
    return [...this.#types.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get damaged(): number {
    let count = 0;
    for (const { isDamaged } of this.#types.values()) if (isDamaged) count += 1;
    return count;
  }

  /** A type that is not yet active is created anew. */
  create(name: ByteString, changes: BucketPropertyChanges): Outcome {
    return this.#change(name, (known) => {
      if (this.#isBeingDropped(name)) return { reason: 'being_dropped' };
      if (known?.status === 'active') return { reason: 'already_active' };
      if (known === undefined && this.#types.size >= bucketTypesMax) return { reason: 'too_many_types' };
      const properties = withHllPrecision(overlaid(this.#defaults, changes));
      const problems = [
        ...checkCombination(properties),
        ...backendProblems(undefined, properties, this.#backends),
      ];
      return refusalOf(problems) ?? storedBucketType({ status: 'created', properties });
    });
  }

  /** To activate an active type changes nothing. */
  activate(name: ByteString): Outcome {
    return this.#change(name, (known) => {
      if (known === undefined) return { reason: 'no_such_type' };
      if (known.status === 'active') return 'as_it_is';
      return storedBucketType({ status: 'active', properties: known.properties });
    });
  }

  update(name: ByteString, changes: BucketPropertyChanges): Outcome {
    return this.#change(name, (known) => {
      if (known === undefined) return { reason: 'no_such_type' };
      if (known.status !== 'active') return { reason: 'not_active' };
      const properties = overlaid(known.properties, changes);
      const problems = [
        ...(known.isDamaged ? checkCombination(properties) : checkUpdate(known.properties, properties)),
        ...backendProblems(known.properties, properties, this.#backends),
      ];
      return refusalOf(problems) ?? storedBucketType({ status: 'active', properties });
    });
  }

  /**
   * Forgets the type and all that its buckets have of their own; what its buckets hold stays where it is, and is found
   * by nobody. A call that fails half-way is made again. `history`: in which it was found that it may go.
   */
  async forget(name: ByteString, history = this.history): Outcome {
    const refusal = checkTypeName(name);
    if (refusal !== undefined) return refusal;
    if (!this.#types.has(name)) return { reason: 'no_such_type' };
    // The buckets first: nobody would find them again without their type.
    await this.#changes.removeAll(propertiesPrefixOf(name), history);
    await this.#changes.change(bucketTypeName(name), () => undefined, history);
    this.load(name);
    // What was set between the two.
    await this.#changes.removeAll(propertiesPrefixOf(name), history);
    return undefined;
  }

  /** Takes over what the registry says of a type now. */
  load(name: ByteString): void {
    const entry = this.#registry.get(bucketTypeName(name));
    if (entry === undefined) {
      this.#types.delete(name);
      return;
    }
    const type = bucketTypeOfStored(name, entry.value, this.#defaults);
    this.#types.set(name, type);
    if (type.isDamaged) {
      this.#log.error('a bucket type cannot be read: its buckets refuse writes until it is updated', {
        bucketType: textOfBytes(name),
      });
    }
  }

  async #change(
    name: ByteString,
    decide: (known: BucketType | undefined) => Buffer | 'as_it_is' | BucketTypeRefusal,
  ): Outcome {
    const badName = checkTypeName(name);
    if (badName !== undefined) return badName;
    let refusal: BucketTypeRefusal | undefined;
    await this.#changes.change(bucketTypeName(name), () => {
      this.load(name);
      const decision = decide(this.#types.get(name));
      refusal = isRefusal(decision) ? decision : undefined;
      return isRefusal(decision) ? 'as_it_is' : decision;
    });
    this.load(name);
    return refusal;
  }
}

function isRefusal(decision: Buffer | 'as_it_is' | BucketTypeRefusal): decision is BucketTypeRefusal {
  return decision !== 'as_it_is' && 'reason' in decision;
}

function refusalOf(problems: readonly PropertyProblem[]): BucketTypeRefusal | undefined {
  return problems.length === 0 ? undefined : { reason: 'invalid_properties', problems };
}
