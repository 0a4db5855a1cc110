/**
 * Finds out which versions the replicas of a read hold while moving each version once, if it can (D9): most replicas
 * say the digest of theirs, and an object is asked for only where it is a version that is not here yet.
 *
 * A value that is told of replies. Positions are those of the preference list.
 *
 * D1  A digest stands for an object that is here with that digest, whichever replica sent that.
 * D2  Until the first object is here nobody else is asked for one (save by a hedge): it may be theirs too.
 * D3  Of the replicas that say one digest, one at a time is asked for the object.
 * D4  No replica is asked for its object twice.
 */
import type { Buffer } from 'node:buffer';
import { type VersionedObject, versionDigest } from '../object/index.ts';

interface KnownVersion {
  readonly digest: Buffer;
  readonly object: VersionedObject;
}

export class VersionSearch {
  readonly #known: KnownVersion[] = [];
  /** What a replica said of its version, until the object is here. */
  readonly #digests: (Buffer | undefined)[];
  /** The replica was asked for its object. */
  readonly #asked: boolean[];
  /** …and has not answered. */
  readonly #underWay: boolean[];

  constructor(replicas: number) {
    this.#digests = new Array<Buffer | undefined>(replicas).fill(undefined);
    this.#asked = new Array<boolean>(replicas).fill(false);
    this.#underWay = new Array<boolean>(replicas).fill(false);
  }

  /** The digest of an object that is here: what a request may leave out. */
  get newestDigest(): Buffer | undefined {
    return this.#known.at(-1)?.digest;
  }

  get hasObject(): boolean {
    return this.#known.length > 0;
  }

  get isObjectUnderWay(): boolean {
    return this.#underWay.includes(true);
  }

  wasAsked(position: number): boolean {
    return this.#asked[position];
  }

  hasDigest(position: number): boolean {
    return this.#digests[position] !== undefined;
  }

  /** The replica is asked for its object now. */
  asking(position: number): void {
    this.#asked[position] = true;
    this.#underWay[position] = true;
  }

  /** The replica, which was asked for its object, has answered, with whatever. */
  answered(position: number): void {
    this.#underWay[position] = false;
  }

  /** The object that the digest stands for, if it is here (D1). */
  digest(position: number, digest: Buffer): VersionedObject | undefined {
    const known = this.withDigest(digest);
    if (known === undefined) this.#digests[position] = digest;
    return known;
  }

  withDigest(digest: Buffer): VersionedObject | undefined {
    return this.#known.find((version) => version.digest.equals(digest))?.object;
  }

  /** An object is here. Returns the positions that hold the same version, as they said before. */
  object(object: VersionedObject): readonly number[] {
    const digest = versionDigest(object);
    if (this.withDigest(digest) !== undefined) return [];
    this.#known.push({ digest, object });
    const same: number[] = [];
    this.#digests.forEach((said, position) => {
      if (said === undefined || !said.equals(digest)) return;
      this.#digests[position] = undefined;
      same.push(position);
    });
    return same;
  }

  /** The replica has answered in another way than by a digest that is still open. */
  settled(position: number): void {
    this.#digests[position] = undefined;
  }

  /** Whose objects are to be asked for now (D2, D3, D4). */
  wanted(): readonly number[] {
    if (!this.hasObject && this.isObjectUnderWay) return [];
    const positions: number[] = [];
    this.#digests.forEach((digest, position) => {
      if (digest === undefined || this.#asked[position] || this.#isSought(digest, positions)) return;
      positions.push(position);
    });
    return positions;
  }

  #isSought(digest: Buffer, chosen: readonly number[]): boolean {
    return this.#digests.some(
      (said, position) =>
        said?.equals(digest) === true && (this.#underWay[position] || chosen.includes(position)),
    );
  }
}
