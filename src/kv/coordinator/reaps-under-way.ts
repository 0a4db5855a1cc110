/**
 * What all replicas were asked to sync and to forget a moment ago, and may not have forgotten yet (`delete_mode`): so that not
 * every read until then asks them anew.
 */
import type { Clock, Instant } from '../../environment/index.ts';
import { type VersionedObject, versionDigest } from '../object/index.ts';
import type { DeleteMode, ObjectKey } from '../vnode/index.ts';
import type { NameHash } from './name-hash.ts';

const shortestMs = 1000;
/** A request may be lost, and a replica that stops forgets what it was asked. */
const longestMs = 60_000;
const versionsMax = 10_000;

export class ReapsUnderWay {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #lastingMs: number;
  readonly #names: NameHash;
  /** By a hash of key and version, the oldest first: names may be long. Of two that are taken for one the other waits. */
  readonly #until = new Map<string, Instant>();

  constructor(clock: Pick<Clock, 'now'>, names: NameHash, deleteMode: DeleteMode) {
    this.#names = names;
    this.#clock = clock;
    const waitMs = typeof deleteMode === 'number' ? deleteMode : 0;
    this.#lastingMs = Math.min(Math.max(waitMs, shortestMs), longestMs);
  }

  /** False: it is under way. */
  begin({ address }: ObjectKey, version: VersionedObject): boolean {
    const name = `${this.#names.of(address)} ${versionDigest(version).toString('latin1')}`;
    const now = this.#clock.now();
    if ((this.#until.get(name) ?? now) > now) return false;
    for (const [oldest, until] of this.#until) {
      if (until > now && this.#until.size < versionsMax) break;
      this.#until.delete(oldest);
    }
    this.#until.set(name, (now + this.#lastingMs) as Instant);
    return true;
  }
}
