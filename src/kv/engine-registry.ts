/**
 * The registry of a node without a cluster: bucket properties in its own engine, each change durable before it is
 * seen. Also where an older version left them, for `adoptProperties` to bring into the cluster's.
 *
 * An entry that is there and cannot be read has no bytes as its value: whoever reads it finds that malformed, and
 * must not take it for absent.
 */
import { Buffer } from 'node:buffer';
import { assert, type ByteString, byteStringOf } from '../stdx/index.ts';
import type { GroupCommit } from '../storage/index.ts';
import type { KvError } from './kv-error.ts';
import { propertiesPrefix } from './properties-name.ts';
import type { Registry, RegistryChange, RegistryEntry, RegistryOutcome } from './registry.ts';
import { propertiesRange, propertiesStorageKey } from './vnode/key-layout.ts';

const loadSlice = { entriesMax: 1000, bytesMax: 4 * 1024 * 1024 };

export class EngineRegistry implements Registry {
  readonly history = 'own';
  readonly #commit: GroupCommit;
  readonly #entries = new Map<ByteString, RegistryEntry>();
  readonly #told: ((names: readonly ByteString[]) => void)[] = [];
  #revision = 0;
  #unknownDamage = 0;

  private constructor(commit: GroupCommit) {
    this.#commit = commit;
  }

  /** Rejects with `StorageError`. */
  static async open(commit: GroupCommit): Promise<EngineRegistry> {
    const registry = new EngineRegistry(commit);
    const cursor = commit.engine.scan(propertiesRange, {
      corrupt: (key) => {
        if (key === undefined) registry.#unknownDamage += 1;
        else registry.#put(nameOf(key), Buffer.alloc(0));
      },
    });
    try {
      for (;;) {
        const entries = await cursor.next(loadSlice);
        if (entries.length === 0) return registry;
        for (const { key, value } of entries) registry.#put(nameOf(key), value);
      }
    } finally {
      await cursor.close();
    }
  }

  /** Places where damage hides whose properties they were. */
  get unknownDamage(): number {
    return this.#unknownDamage;
  }

  get(name: ByteString): RegistryEntry | undefined {
    return this.#entries.get(name);
  }

  names(prefix: ByteString): readonly ByteString[] {
    return [...this.#entries.keys()].filter((name) => name.startsWith(prefix));
  }

  async propose(changes: readonly RegistryChange[]): Promise<RegistryOutcome> {
    const isCurrent = changes.every(
      ({ name, expected }) => (this.#entries.get(name)?.revision ?? 0) === expected,
    );
    if (!isCurrent) return { kind: 'conflict' };
    const error = await this.#write(changes);
    if (error !== undefined) return { kind: 'failed', error };
    for (const { name, value } of changes) {
      if (value === undefined) this.#entries.delete(name);
      else this.#put(name, value);
    }
    const names = changes.map(({ name }) => name);
    for (const changed of this.#told) changed(names);
    return { kind: 'applied' };
  }

  onChange(changed: (names: readonly ByteString[]) => void): void {
    this.#told.push(changed);
  }

  /** Forgets all, durably. Rejects with `StorageError`. */
  async clear(): Promise<void> {
    await this.#commit.engine.deleteRange(propertiesRange);
    this.#entries.clear();
  }

  #put(name: ByteString, value: Buffer): void {
    this.#revision += 1;
    this.#entries.set(name, { value, revision: this.#revision });
  }

  #write(changes: readonly RegistryChange[]): Promise<KvError | undefined> {
    return new Promise((resolve) => {
      this.#commit.write(
        'synced',
        (batch) => {
          for (const { name, value } of changes) {
            if (value === undefined) batch.delete(storageKeyOf(name));
            else batch.put(storageKeyOf(name), value);
          }
        },
        (error) => resolve(error === undefined ? undefined : { code: 'storage', reason: error.message }),
      );
    });
  }
}

function nameOf(storageKey: Buffer): ByteString {
  return (propertiesPrefix + byteStringOf(storageKey, 1)) as ByteString;
}

function storageKeyOf(name: ByteString): Buffer {
  assert(name.startsWith(propertiesPrefix), 'without a cluster only bucket properties are registered');
  return propertiesStorageKey(name.slice(propertiesPrefix.length) as ByteString);
}
