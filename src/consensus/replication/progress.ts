/**
 * What a leader knows of one follower, and how it sends to it (etcd's terms):
 *   probe      where the logs agree is being found: one append at a time
 *   replicate  it is known: appends follow each other, as many at once as the window allows
 *   snapshot   the follower needs entries that are gone; it pulls a snapshot
 */
import type { Instant } from '../../environment/index.ts';
import type { LogIndex } from '../log/entry.ts';

export interface WindowLimits {
  readonly inFlightAppendsMax: number;
  readonly inFlightBytesMax: number;
}

interface InFlight {
  readonly lastIndex: LogIndex;
  readonly bytes: number;
  readonly sentAt: Instant;
}

export class Progress {
  /** All up to here is on the follower's disk. */
  match: LogIndex = 0;
  /** The next entry to send. */
  next: LogIndex;
  /** Whether it is not known to vote: it began with an empty disk. */
  isJoining = true;
  mode: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** When anything was last heard of it in this term. */
  heardAt: Instant;
  /** The latest heartbeat round that it has answered. */
  round = 0;
  /** When the last probe or offer was sent, or the last piece of a snapshot was asked for. */
  lastTriedAt: Instant | undefined;
  /** When it last asked for a piece of a snapshot. */
  pulledAt: Instant | undefined;
  /** The commit index that it was last told. */
  toldCommit: LogIndex = 0;
  #inFlight: InFlight[] = [];
  #inFlightBytes = 0;

  constructor(next: LogIndex, now: Instant) {
    this.next = next;
    this.heardAt = now;
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0;
  }

  get inFlightCount(): number {
    return this.#inFlight.length;
  }

  hasRoom(limits: WindowLimits): boolean {
    return this.#inFlight.length < limits.inFlightAppendsMax && this.#inFlightBytes < limits.inFlightBytesMax;
  }

  sent(lastIndex: LogIndex, bytes: number, now: Instant): void {
    this.#inFlight.push({ lastIndex, bytes, sentAt: now });
    this.#inFlightBytes += bytes;
    this.next = lastIndex + 1;
  }

  /** How long the oldest append has been under way. */
  oldestAgeMs(now: Instant): number {
    const oldest = this.#inFlight[0];
    return oldest === undefined ? 0 : now - oldest.sentAt;
  }

  accepted(match: LogIndex): void {
    this.match = Math.max(this.match, match);
    while (this.#inFlight.length > 0 && this.#inFlight[0]!.lastIndex <= this.match) {
      this.#inFlightBytes -= this.#inFlight.shift()!.bytes;
    }
    if (this.mode === 'snapshot' && this.match + 1 < this.next) return;
    if (this.mode !== 'replicate') this.#enter('replicate', this.match + 1);
  }

  probeFrom(next: LogIndex): void {
    this.#enter('probe', Math.max(next, this.match + 1));
  }

  /** `snapshotIndex`: where it will stand when it has the snapshot. */
  awaitSnapshot(snapshotIndex: LogIndex): void {
    this.#enter('snapshot', snapshotIndex + 1);
  }

  /** The follower says that it has lost what it acknowledged. */
  forget(): void {
    this.match = 0;
    this.isJoining = true;
    this.#enter('probe', 1);
  }

  #enter(mode: Progress['mode'], next: LogIndex): void {
    this.mode = mode;
    this.next = next;
    this.lastTriedAt = undefined;
    this.#inFlight = [];
    this.#inFlightBytes = 0;
  }
}
