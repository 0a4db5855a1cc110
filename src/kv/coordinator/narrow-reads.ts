/**
 * Whom a read asks at first. Where all replicas of a key are primaries, one on each of as many nodes as its quorum needs will
 * do, and on two at least, so that versions are compared; the others are asked when the first differ, miss the key, fail
 * or are late (R11). So a read costs what its answer needs, and what Riak would have found by asking everybody is found a
 * little later: every so many-th read asks everybody, and anti-entropy compares all.
 */
import { distinctNodes, type PreferenceList } from '../../core/ring/index.ts';
import type { ReadRequirements } from './read-quorum.ts';

const comparedMin = 2;

export class NarrowReads {
  readonly #everyoneInterval: number;
  #sinceEveryone = 0;

  /** Every so many-th read that could be narrow asks everybody; 1: each does. */
  constructor(everyoneInterval: number) {
    this.#everyoneInterval = everyoneInterval;
  }

  /** On how many nodes to ask one replica at first; undefined: all replicas. */
  askedFirst(replicas: PreferenceList, { r, pr, nodeConfirms }: ReadRequirements): number | undefined {
    const enough = Math.max(r, pr, nodeConfirms, comparedMin);
    if (enough >= replicas.length || distinctNodes(replicas) < enough) return undefined;
    for (const replica of replicas) if (!replica.primary) return undefined;
    this.#sinceEveryone += 1;
    if (this.#sinceEveryone < this.#everyoneInterval) return enough;
    this.#sinceEveryone = 0;
    return undefined;
  }
}
