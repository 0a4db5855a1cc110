/**
 * The listings and index queries that are open. Each holds slices of what nodes have sent, so they are bounded in
 * number; and each is released at its deadline, though its consumer may never ask again: a client that has
 * stopped reading must not keep them for ever. One without a deadline is released when nobody has asked for long.
 */
import { Deadline, type Deadlines } from '../../core/vnode/index.ts';
import type { Tasks } from '../../environment/index.ts';
import { KvFailure, type ResultStream } from '../key-value-store.ts';

export const openQueriesMax = 256;
/** A query without a timeout whose results nobody has asked for. */
export const idleMsMax = 600_000;

export class OpenQueries {
  readonly #deadlines: Deadlines;
  readonly #tasks: Pick<Tasks, 'spawn'>;
  readonly #openMax: number;
  readonly #open = new Set<object>();

  constructor(deadlines: Deadlines, tasks: Pick<Tasks, 'spawn'>, openMax: number = openQueriesMax) {
    this.#deadlines = deadlines;
    this.#tasks = tasks;
    this.#openMax = openMax;
  }

  /** `timeoutMs`: of all of it; absent: none. Throws `KvFailure` with `overload`, and then has not called `begin`. */
  open<Item>(timeoutMs: number | undefined, begin: () => ResultStream<Item>): ResultStream<Item> {
    if (this.#open.size >= this.#openMax) throw new KvFailure({ code: 'overload' });
    const deadline = new QueryDeadline(() => {
      this.#tasks.spawn('query: deadline', () => query.expire());
    });
    const restart = (): void => {
      this.#deadlines.clear(deadline);
      this.#deadlines.set(deadline, idleMsMax);
    };
    const query = new OpenQuery(begin(), timeoutMs === undefined ? restart : undefined, () => {
      this.#open.delete(query);
      this.#deadlines.clear(deadline);
    });
    this.#open.add(query);
    this.#deadlines.set(deadline, timeoutMs ?? idleMsMax);
    return query;
  }
}

class QueryDeadline extends Deadline {
  override readonly expired: () => void;

  constructor(expired: () => void) {
    super();
    this.expired = expired;
  }
}

class OpenQuery<Item> implements ResultStream<Item> {
  readonly #results: ResultStream<Item>;
  readonly #asked: (() => void) | undefined;
  readonly #ended: () => void;
  #hasEnded = false;
  #isLate = false;

  constructor(results: ResultStream<Item>, asked: (() => void) | undefined, ended: () => void) {
    this.#results = results;
    this.#asked = asked;
    this.#ended = ended;
  }

  async next(): Promise<readonly Item[] | undefined> {
    try {
      if (!this.#hasEnded) this.#asked?.();
      const found = await this.#results.next();
      // The end came because the deadline took the walk away.
      if (found === undefined && this.#isLate) throw new KvFailure({ code: 'timeout' });
      if (found === undefined) this.#end();
      return found;
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#end();
    await this.#results.close();
  }

  async expire(): Promise<void> {
    this.#isLate = true;
    await this.close();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#ended();
  }
}
