/**
 * Which storage backend a bucket's entries are kept in, by its property `backend`. Each node has backends of its own: one
 * that has none of the name keeps the bucket in its default one, so that nothing is refused and nothing lost.
 */
import type { Log } from '../environment/index.ts';
import { type ByteString, textOfBytes } from '../stdx/index.ts';
import { type BackendRules, homeBackend } from '../storage/index.ts';
import type { BucketProperties, JsonValue, PropertyProblem } from './bucket-properties.ts';
import type { PropertyOverrides } from './property-overrides.ts';
import { entriesNameOf, entriesNameOfType } from './vnode/index.ts';

/** A node's storage backends. */
export interface StorageBackends {
  /** The default first. */
  readonly all: readonly { readonly name: string; readonly isVolatile: boolean }[];
  /** Told at the start and after each change of properties. */
  readonly place: (rules: BackendRules) => void;
}

const property = 'backend';

/** What is wrong with the backend that a bucket or type gets; nothing, if it has it already. Without `backends` there is one. */
export function backendProblems(
  before: BucketProperties | undefined,
  after: BucketProperties,
  backends: StorageBackends | undefined,
): readonly PropertyProblem[] {
  const wanted = after.custom.get(property);
  const isAsBefore = wanted === before?.custom.get(property) && after.feed === before?.feed;
  if (wanted === undefined || isAsBefore) return [];
  const found = backends?.all.find(({ name }) => name === wanted);
  if (found === undefined) {
    const known = backends?.all.map(({ name }) => name).join(' ');
    const reason = known === undefined ? 'unknown_backend' : `unknown_backend, known: ${known}`;
    return [{ property, reason }];
  }
  return found.isVolatile && after.feed ? [{ property, reason: 'not_with_feed' }] : [];
}

/** The backends that buckets and types are to have. */
export class BackendChoice {
  readonly #backends: StorageBackends;
  readonly #log: Log;
  /** Buckets whose backend this node lacks: told once. */
  readonly #told = new Set<ByteString>();

  constructor(backends: StorageBackends, log: Log) {
    this.#backends = backends;
    this.#log = log;
  }

  propertiesChanged(levels: Iterable<readonly [bucketType: ByteString, PropertyOverrides]>): void {
    const rules = new Map<ByteString, string>();
    for (const [bucketType, { base, customised }] of levels) {
      const typeName = entriesNameOfType(bucketType);
      const usual = this.#backendOf(base, typeName);
      if (usual !== homeBackend) rules.set(typeName, usual);
      for (const [bucket, own] of customised) {
        if (own.custom.get(property) === base.custom.get(property) && own.feed === base.feed) continue;
        const name = entriesNameOf({ bucketType, bucket });
        const backend = this.#backendOf(own, name);
        if (backend !== usual) rules.set(name, backend);
      }
    }
    this.#backends.place(rules);
  }

  #backendOf(properties: BucketProperties, name: ByteString): string {
    const wanted = properties.custom.get(property);
    if (wanted === undefined) return homeBackend;
    const [first, ...others] = this.#backends.all;
    if (wanted === first?.name) return homeBackend;
    const found = others.find((backend) => backend.name === wanted);
    // The feed of a bucket whose entries vanish would be one with gaps that nobody hears of.
    if (found !== undefined && !(found.isVolatile && properties.feed)) return found.name;
    this.#tell(name, wanted);
    return homeBackend;
  }

  #tell(name: ByteString, wanted: JsonValue): void {
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#log.warn('this node has not the storage backend of a bucket: it is kept in the default one', {
      bucket: textOfBytes(name),
      backend: JSON.stringify(wanted),
    });
  }
}
