/**
 * Changes of registered properties: compared and set, and made anew when somebody else was quicker.
 *
 * A change belongs to the history in which it was asked for: one that was meant for the own cluster of one must not go on in
 * the cluster that this node joins meanwhile, which may have facts of the same names.
 */
import type { Buffer } from 'node:buffer';
import type { ByteString } from '../stdx/index.ts';
import { KvFailure } from './key-value-store.ts';
import type { Registry } from './registry.ts';

/** A change meets others' changes of the same fact so often before it is given up. */
const conflictsMax = 8;
/** Entries of one proposal: with the bound of each, a fraction of what a log entry may hold. */
const proposalEntriesMax = 16;

export class RegisteredChanges {
  readonly #registry: Registry;
  readonly #timeoutMs: number;
  /** Changes of one fact are made one after another, so that those of one node never meet. */
  readonly #last = new Map<ByteString, Promise<unknown>>();
  /** The last removal of many: what comes behind it waits for it. */
  #lastOfAll: Promise<unknown> = Promise.resolve();

  /** `timeoutMs`: how long a change may take to be agreed. */
  constructor(registry: Registry, timeoutMs: number) {
    this.#registry = registry;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * `valueNow` says what the fact is to be (undefined: gone), and is asked again after a conflict; what it throws
   * the promise rejects with. Rejects with `KvFailure` if the change is not agreed. `history`: what the registry's was when
   * the change was decided upon.
   */
  change(
    name: ByteString,
    valueNow: () => Buffer | 'as_it_is' | undefined,
    history = this.#registry.history,
  ): Promise<void> {
    return this.#inTurn(name, async () => {
      for (let conflicts = 0; conflicts < conflictsMax; conflicts += 1) {
        this.#checkStillIn(history);
        const expected = this.#registry.get(name)?.revision ?? 0;
        const value = valueNow();
        if (value === 'as_it_is' || (value === undefined && expected === 0)) return;
        if (await this.#propose([{ name, value, expected }])) return;
      }
      throw new KvFailure({ code: 'overload' });
    });
  }

  /** Removes all names with a prefix, some at a time. What a failure leaves, another call removes. */
  removeAll(prefix: ByteString, history = this.#registry.history): Promise<void> {
    const before = Promise.all([this.#lastOfAll, ...this.#last.values()]);
    const result = before.then(async () => {
      for (;;) {
        this.#checkStillIn(history);
        const some = [...this.#registry.names(prefix)].sort().slice(0, proposalEntriesMax);
        if (some.length === 0) return;
        await this.#propose(
          some.map((name) => ({
            name,
            value: undefined,
            expected: this.#registry.get(name)?.revision ?? 0,
          })),
        );
      }
    });
    this.#lastOfAll = result.catch(() => {});
    return result;
  }

  #inTurn(name: ByteString, run: () => Promise<void>): Promise<void> {
    const result = Promise.all([this.#lastOfAll, this.#last.get(name)]).then(run);
    const ended = result
      .catch(() => {})
      .then(() => {
        if (this.#last.get(name) === ended) this.#last.delete(name);
      });
    this.#last.set(name, ended);
    return result;
  }

  #checkStillIn(history: string): void {
    if (this.#registry.history === history) return;
    const reason = 'this node has joined another cluster, or its own was recovered, meanwhile';
    throw new KvFailure({ code: 'no_majority', reason });
  }

  /** False after a conflict: nothing was changed. */
  async #propose(changes: Parameters<Registry['propose']>[0]): Promise<boolean> {
    const outcome = await this.#registry.propose(changes, this.#timeoutMs);
    if (outcome.kind === 'failed') throw new KvFailure(outcome.error);
    return outcome.kind === 'applied';
  }
}
