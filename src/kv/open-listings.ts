/**
 * The listings that are open. Each holds a snapshot of a partition and a slice of its names, so they are
 * bounded in number; and each is released at its deadline, though its consumer may never ask again: a
 * client that has stopped reading must not keep a snapshot for ever.
 */
import { Deadline, type Deadlines } from '../core/vnode/index.ts';
import type { Tasks } from '../environment/index.ts';
import type { ByteString } from '../stdx/index.ts';
import { KvFailure, type NameStream } from './key-value-store.ts';

export const listingsMax = 256;

export class OpenListings {
  readonly #deadlines: Deadlines;
  readonly #tasks: Pick<Tasks, 'spawn'>;
  readonly #listingsMax: number;
  readonly #open = new Set<Listing>();

  constructor(deadlines: Deadlines, tasks: Pick<Tasks, 'spawn'>, openMax: number = listingsMax) {
    this.#deadlines = deadlines;
    this.#tasks = tasks;
    this.#listingsMax = openMax;
  }

  /** Throws `KvFailure` with `overload`, and then has not called `begin`. */
  open(timeoutMs: number, begin: () => NameStream): NameStream {
    if (this.#open.size >= this.#listingsMax) throw new KvFailure({ code: 'overload' });
    const listing = new Listing(begin(), () => {
      this.#open.delete(listing);
      this.#deadlines.clear(deadline);
    });
    const deadline = new ListingDeadline(() => {
      this.#tasks.spawn('listing: deadline', () => listing.expire());
    });
    this.#open.add(listing);
    this.#deadlines.set(deadline, timeoutMs);
    return listing;
  }
}

class ListingDeadline extends Deadline {
  override readonly expired: () => void;

  constructor(expired: () => void) {
    super();
    this.expired = expired;
  }
}

class Listing implements NameStream {
  readonly #names: NameStream;
  readonly #ended: () => void;
  #isLate = false;

  constructor(names: NameStream, ended: () => void) {
    this.#names = names;
    this.#ended = ended;
  }

  async next(): Promise<readonly ByteString[] | undefined> {
    try {
      const names = await this.#names.next();
      // The end came because the deadline took the cursor away.
      if (names === undefined && this.#isLate) throw new KvFailure({ code: 'timeout' });
      if (names === undefined) this.#ended();
      return names;
    } catch (error) {
      this.#ended();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#ended();
    await this.#names.close();
  }

  async expire(): Promise<void> {
    this.#isLate = true;
    await this.close();
  }
}
