/**
 * Receiving a snapshot in pieces (Raft §5, figure 5.3), pulled by the receiver: one piece under way at a
 * time, each asked for when the one before is written, so that a slow disk slows the sender and the
 * sender keeps nothing. The bytes are the application's; here is only how far they have come.
 */
import type { Instant } from '../../environment/index.ts';
import type { MessageOf } from '../message.ts';
import type { ReplicaOptions } from '../options.ts';
import type { PeerId } from '../peer-id.ts';
import type { ReplicaState } from '../replica-state.ts';
import type { SnapshotMark } from './snapshot-mark.ts';

/** Questions for the same piece before the snapshot is given up. */
const triesMax = 10;

/** Who has not asked for a piece for so long has given up. */
export function pullPatienceMs(options: ReplicaOptions): number {
  return triesMax * retryMs(options);
}

function retryMs({ electionTimeoutMs }: ReplicaOptions): number {
  return electionTimeoutMs / 2;
}

export class SnapshotAssembly {
  readonly from: PeerId;
  readonly snapshot: SnapshotMark;
  #offset = 0;
  #tries = 0;
  #retryAt: Instant;

  constructor(state: ReplicaState, from: PeerId, snapshot: SnapshotMark, now: Instant) {
    this.from = from;
    this.snapshot = snapshot;
    this.#retryAt = this.#retryTime(state, now);
    state.outbox.send(from, this.#pull());
  }

  get retryAt(): Instant {
    return this.#retryAt;
  }

  isOf(from: PeerId, snapshot: { readonly index: number; readonly term: number }): boolean {
    return this.from === from && this.#isPlace(snapshot);
  }

  /** Asks again if it is time; false if it has asked too often. */
  expire(state: ReplicaState, now: Instant): boolean {
    if (now < this.#retryAt) return true;
    this.#tries += 1;
    this.#retryAt = this.#retryTime(state, now);
    if (this.#tries < triesMax) state.outbox.send(this.from, this.#pull());
    return this.#tries < triesMax;
  }

  /** Takes a piece; true when it was the last. */
  take(state: ReplicaState, from: PeerId, chunk: MessageOf<'snapshot-chunk'>, now: Instant): boolean {
    const { place, offset, bytes, isLast } = chunk;
    if (from !== this.from || !this.#isPlace(place) || offset !== this.#offset) return false;
    // An empty piece that is not the last would be asked for without end.
    if (bytes.length === 0 && !isLast) return false;
    this.#offset += bytes.length;
    this.#tries = 0;
    this.#retryAt = this.#retryTime(state, now);
    const onceDurable = isLast ? [] : [{ kind: 'send', to: from, message: this.#pull() } as const];
    state.outbox.push({ kind: 'write-snapshot', snapshot: this.snapshot, offset, bytes, onceDurable });
    return isLast;
  }

  #isPlace({ index, term }: { readonly index: number; readonly term: number }): boolean {
    return this.snapshot.index === index && this.snapshot.term === term;
  }

  #pull(): MessageOf<'snapshot-pull'> {
    const { index, term } = this.snapshot;
    return { kind: 'snapshot-pull', place: { index, term }, offset: this.#offset };
  }

  #retryTime(state: ReplicaState, now: Instant): Instant {
    return (now + retryMs(state.options)) as Instant;
  }
}

/** Answers a peer that pulls a snapshot: with a read of it, or with a newer one if that one is gone. */
export function serveSnapshotPull(
  state: ReplicaState,
  from: PeerId,
  { place, offset }: MessageOf<'snapshot-pull'>,
): void {
  const { snapshot, outbox, options, term, log } = state;
  if (place.index === snapshot.index && place.term === snapshot.term) {
    const bytesMax = options.snapshotChunkBytesMax;
    outbox.push({ kind: 'read-snapshot', to: from, place, offset, bytesMax });
  } else if (state.role === 'leader') {
    outbox.send(from, { kind: 'snapshot-offer', term, snapshot });
  } else {
    outbox.send(from, { kind: 'pull-snapshot', snapshot, last: log.last });
  }
}
