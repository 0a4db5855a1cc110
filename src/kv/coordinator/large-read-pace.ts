/**
 * Asks for large values one after the other where asking for several at once makes them late: replies that meet in the
 * shallow buffer of one switch port lose their ends, and TCP waits 200 ms before it sends those again (incast; Phanishayee et
 * al., FAST 2008). Only their receiver knows of all of them, so it is the receiver that asks for less (as in ICTCP; Wu et al., CoNEXT 2010).
 *
 * Nothing is paced until a large value has come so late; then it is one at a time, and little by little more while all come in time.
 * A read is held for a moment at most: what looks like incast and is none, a sick disk say, costs no more than that.
 */
import { Deadline, type Deadlines } from '../../core/vnode/index.ts';
import type { BucketAddress } from '../key-value-store.ts';
import type { KvObserver } from '../kv-observer.ts';

/** Values of so many bytes are large: what is smaller fits into the buffers of ports, even of shallow ones. */
export const largeBytes = 64 * 1024;
/** Linux sends again after 200 ms at least (`TCP_RTO_MIN`). */
export const stallMs = 190;
/** A stall takes so many times what large values take otherwise. */
const stallFactor = 8;
/** Of a longer value nobody can tell by its time whether it stalled: on a narrow link it takes as long. */
const judgedBytesMax = 2 ** 20;
/** Of the moving average of what large values take. */
const averageWeight = 1 / 8;
export const heldMsMax = 50;
/** Bytes under way at once, beside the first value: at first, and when there is no need to pace any longer. */
const windowMin = largeBytes;
const windowMax = 4 * 2 ** 20;
const windowStep = largeBytes;
/** Large values that come in time before the window grows by a step. */
export const arrivalsPerStep = 100;
/** Of so many buckets the size of values is remembered. */
const bucketsMax = 1000;

/** What is started when its turn has come. */
interface Read {
  start(): void;
}

/** Of a read that waits for it, or has it. */
export class LargeReadTurn extends Deadline {
  readonly read: Read;
  readonly bytes: number;
  readonly #heldTooLong: (turn: LargeReadTurn) => void;

  constructor(read: Read, bytes: number, heldTooLong: (turn: LargeReadTurn) => void) {
    super();
    this.read = read;
    this.bytes = bytes;
    this.#heldTooLong = heldTooLong;
  }

  override expired(): void {
    this.#heldTooLong(this);
  }
}

export class LargeReadPace {
  readonly #deadlines: Deadlines;
  readonly #observer: KvObserver;
  /** Milliseconds that a large value takes, if nothing is amiss. */
  #usualMs: number | undefined;
  /** Undefined: nothing is paced. */
  #window: number | undefined;
  #inTime = 0;
  #underWayBytes = 0;
  readonly #started = new Set<LargeReadTurn>();
  readonly #held = new Set<LargeReadTurn>();
  #isStarting = false;
  /** By bucket, the moving average. */
  readonly #sizes = new Map<string, number>();

  constructor(deadlines: Deadlines, observer: KvObserver) {
    this.#deadlines = deadlines;
    this.#observer = observer;
  }

  /** For a read of a value that other nodes have. Undefined: it needs none. Else `begin` and `end` must follow. */
  turnFor(address: BucketAddress, read: Read): LargeReadTurn | undefined {
    if (this.#window === undefined) return undefined;
    const bytes = this.#sizes.get(nameOf(address)) ?? 0;
    return bytes < largeBytes ? undefined : new LargeReadTurn(read, bytes, (turn) => this.#start(turn));
  }

  /** Starts the read, now or in its turn. */
  begin(turn: LargeReadTurn): void {
    if (this.#held.size === 0 && this.#hasRoomFor(turn)) {
      this.#start(turn);
      return;
    }
    this.#observer.readHeld?.();
    this.#held.add(turn);
    this.#deadlines.set(turn, heldMsMax);
  }

  /** It has its value, or is given up. Any number of times. */
  end(turn: LargeReadTurn): void {
    if (this.#held.delete(turn)) this.#deadlines.clear(turn);
    if (!this.#started.delete(turn)) return;
    this.#underWayBytes -= turn.bytes;
    this.#startNext();
  }

  /** Another node has sent an object, so long after it was asked. */
  arrived(address: BucketAddress, bytes: number, tookMs: number): void {
    const isJudged = bytes >= largeBytes && bytes <= judgedBytesMax;
    if (this.#window !== undefined) this.#rememberSize(address, bytes);
    if (!isJudged) return;
    const usualMs = this.#usualMs ?? tookMs;
    if (tookMs >= stallMs && tookMs >= usualMs * stallFactor) this.#stalled();
    else {
      this.#usualMs = usualMs + (tookMs - usualMs) * averageWeight;
      if (this.#window !== undefined) this.#cameInTime(this.#window);
    }
  }

  #stalled(): void {
    this.#observer.largeReadStalled?.();
    this.#window = windowMin;
    this.#inTime = 0;
  }

  #cameInTime(window: number): void {
    this.#inTime += 1;
    if (this.#inTime < arrivalsPerStep) return;
    this.#inTime = 0;
    if (window + windowStep <= windowMax) this.#window = window + windowStep;
    else {
      this.#window = undefined;
      this.#sizes.clear();
    }
    this.#startNext();
  }

  #rememberSize(address: BucketAddress, bytes: number): void {
    const name = nameOf(address);
    const known = this.#sizes.get(name);
    if (known === undefined && this.#sizes.size >= bucketsMax) this.#sizes.clear();
    this.#sizes.set(name, Math.round(known === undefined ? bytes : known + (bytes - known) * averageWeight));
  }

  #hasRoomFor({ bytes }: LargeReadTurn): boolean {
    if (this.#window === undefined || this.#started.size === 0) return true;
    return this.#underWayBytes + bytes <= this.#window;
  }

  #startNext(): void {
    // A read that is refused at once ends while it starts: the loop that started it goes on.
    if (this.#isStarting) return;
    this.#isStarting = true;
    for (const turn of this.#held) {
      if (!this.#hasRoomFor(turn)) break;
      this.#start(turn);
    }
    this.#isStarting = false;
  }

  #start(turn: LargeReadTurn): void {
    if (this.#held.delete(turn)) this.#deadlines.clear(turn);
    this.#started.add(turn);
    this.#underWayBytes += turn.bytes;
    turn.read.start();
  }
}

function nameOf({ bucketType, bucket }: BucketAddress): string {
  return `${bucketType.length}:${bucketType}${bucket}`;
}
