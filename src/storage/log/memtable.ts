/**
 * The newest places of keys, before they are in a run. In order for walks; and once more by hash, for lookups: each put
 * looks its key up, and going down the tree costs several times as much.
 */
import { type ByteString, OrderedMap, type OrderedMapSnapshot } from '../../stdx/index.ts';
import type { Location } from './position.ts';

export class Memtable {
  readonly #ordered = new OrderedMap<Location>();
  readonly #places = new Map<ByteString, Location>();

  get size(): number {
    return this.#places.size;
  }

  get(name: ByteString): Location | undefined {
    return this.#places.get(name);
  }

  /** Returns the place that was there before. */
  set(name: ByteString, place: Location): Location | undefined {
    this.#places.set(name, place);
    return this.#ordered.set(name, place);
  }

  /** As it is now, in order; costs next to nothing. */
  snapshot(): OrderedMapSnapshot<Location> {
    return this.#ordered.snapshot();
  }
}
