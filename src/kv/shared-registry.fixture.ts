/** A registry that several stores agree on at once, with somebody who may be quicker. */
import type { ByteString } from '../stdx/index.ts';
import type { Registry, RegistryChange, RegistryEntry, RegistryOutcome } from './registry.ts';

export class SharedRegistry implements Registry {
  history = 'own';
  readonly entries = new Map<ByteString, RegistryEntry>();
  /** Runs before a proposal is folded. */
  before: (() => Promise<unknown>) | undefined;
  /** True: a proposal finds no majority. */
  isLost: (() => boolean) | undefined;
  proposals = 0;
  readonly #told: ((names: readonly ByteString[]) => void)[] = [];
  #revision = 0;

  get(name: ByteString): RegistryEntry | undefined {
    return this.entries.get(name);
  }

  names(prefix: ByteString): readonly ByteString[] {
    return [...this.entries.keys()].filter((name) => name.startsWith(prefix));
  }

  async propose(changes: readonly RegistryChange[]): Promise<RegistryOutcome> {
    const { before } = this;
    this.before = undefined;
    await before?.();
    if (this.isLost?.()) {
      return { kind: 'failed', error: { code: 'no_majority', reason: 'one of three voters is reached' } };
    }
    this.proposals += 1;
    if (changes.some(({ name, expected }) => (this.entries.get(name)?.revision ?? 0) !== expected)) {
      return { kind: 'conflict' };
    }
    for (const { name, value } of changes) {
      this.#revision += 1;
      if (value === undefined) this.entries.delete(name);
      else this.entries.set(name, { value, revision: this.#revision });
    }
    for (const changed of this.#told) changed(changes.map(({ name }) => name));
    return { kind: 'applied' };
  }

  /** What another cluster has registered takes the place of all: nothing. */
  joinAnother(): void {
    const names = [...this.entries.keys()];
    this.entries.clear();
    this.history = 'joined';
    for (const changed of this.#told) changed(names);
  }

  onChange(changed: (names: readonly ByteString[]) => void): void {
    this.#told.push(changed);
  }
}
