/**
 * Cuts a byte stream into frames: length (uint32, big-endian, counts the code and the body), code, body.
 *
 * A frame that lies wholly in one chunk is parsed where it lies. Bytes of an unfinished frame, and chunks
 * that must wait (`retain`), are gathered in a buffer that grows with what arrived: to the length of the frame, but
 * never to more than a few times what is there, whatever a length claims. Each byte is copied a constant number of
 * times on average. An impossible length is refused as soon as its four bytes are there.
 *
 * Memory outside the heap is what the garbage collector is run for: a long frame must cost its own length of it, and no
 * second time where its consumer keeps it (`isLasting`).
 */
import { Buffer } from 'node:buffer';

export const frameHeadBytes = 5;
const lengthBytes = 4;
const capacityMin = 512;
/** Room is made for so many times what has arrived, if the frame is that long. */
const growthMax = 8;
/** Shorter frames are copied by who keeps them: a view would hold on to more than it shows. */
const lastingBytesMin = 16 * 1024;

/** The stream cannot be followed any further: close the connection. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  readonly code: 'empty' | 'too-long';
  constructor(code: FrameError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

const nothing = Buffer.alloc(0);

export class FrameReader {
  /** The frame that `next` found: its code, and its body from `start` to `end` of `bytes`. */
  code = 0;
  bytes: Buffer = nothing;
  start = 0;
  end = 0;
  /** The frame lies in memory of its own that nobody writes to again: views of it may be kept. */
  isLasting = false;

  readonly #frameBytesMax: number;
  #held: Buffer = nothing;
  #heldStart = 0;
  #heldEnd = 0;
  #chunk: Buffer = nothing;
  #chunkStart = 0;

  /** `frameBytesMax` bounds a frame's length field. */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Bytes that wait in memory of the reader's own. */
  get heldBytes(): number {
    return this.#heldEnd - this.#heldStart;
  }

  /**
   * Gives the next bytes of the stream. They are read in place, so before they change, call `next` until it
   * returns false, or `retain`.
   */
  feed(chunk: Buffer): void {
    this.retain();
    this.#chunk = chunk;
    this.#chunkStart = 0;
  }

  /**
   * Finds the next whole frame; false if more bytes are needed. What it exposes is valid until the next call
   * of any method, or until the chunk changes. Throws `FrameError`.
   */
  next(): boolean {
    if (this.#heldStart < this.#heldEnd) return this.#nextHeld();
    const available = this.#chunk.length - this.#chunkStart;
    if (available >= lengthBytes) {
      const length = this.#lengthAt(this.#chunk, this.#chunkStart);
      if (available >= lengthBytes + length) {
        this.#expose(this.#chunk, this.#chunkStart, length);
        this.isLasting = false;
        this.#chunkStart += lengthBytes + length;
        return true;
      }
    }
    this.retain();
    return false;
  }

  /** Lets `next` find the frame again that it has just found; nothing may come between. */
  putBack(): void {
    const from = this.start - frameHeadBytes;
    if (this.bytes === this.#chunk) {
      this.#chunkStart = from;
      return;
    }
    this.#held = this.bytes;
    this.#heldStart = from;
    this.#heldEnd = Math.max(this.#heldEnd, this.end);
  }

  /** Copies what is left of the chunk, which may then change. */
  retain(): void {
    this.#take(this.#chunk.length - this.#chunkStart);
    this.#chunk = nothing;
    this.#chunkStart = 0;
  }

  #nextHeld(): boolean {
    if (!this.#gather(lengthBytes)) return false;
    const length = this.#lengthAt(this.#held, this.#heldStart);
    if (!this.#gather(lengthBytes + length)) return false;
    this.#expose(this.#held, this.#heldStart, length);
    this.#heldStart += lengthBytes + length;
    this.isLasting = false;
    if (this.#heldStart === this.#heldEnd) {
      this.isLasting = length >= lastingBytesMin;
      this.#held = nothing;
      this.#heldStart = 0;
      this.#heldEnd = 0;
    }
    return true;
  }

  /** Moves bytes from the chunk until `count` are held; false if there are not enough. */
  #gather(count: number): boolean {
    const missing = count - this.heldBytes;
    if (missing <= 0) return true;
    const available = this.#chunk.length - this.#chunkStart;
    if (missing > available) {
      this.retain();
      return false;
    }
    this.#take(missing);
    return true;
  }

  #take(count: number): void {
    if (count === 0) return;
    if (this.#heldEnd + count > this.#held.length) this.#makeRoom(count);
    this.#chunk.copy(this.#held, this.#heldEnd, this.#chunkStart, this.#chunkStart + count);
    this.#heldEnd += count;
    this.#chunkStart += count;
  }

  #makeRoom(count: number): void {
    const live = this.heldBytes;
    const needed = live + count;
    const frame = this.#firstFrameBytes();
    const ahead =
      frame > needed
        ? Math.min(frame, growthMax * needed)
        : Math.min(live * 2, lengthBytes + this.#frameBytesMax);
    const roomier = Buffer.allocUnsafe(Math.max(needed, ahead, capacityMin));
    this.#held.copy(roomier, 0, this.#heldStart, this.#heldEnd);
    this.#held = roomier;
    this.#heldStart = 0;
    this.#heldEnd = live;
  }

  /** As its length says, which may be a lie; 0: not known yet. */
  #firstFrameBytes(): number {
    const live = this.heldBytes;
    if (live >= lengthBytes) return this.#totalAt(this.#held, this.#heldStart);
    const isWithinChunk = live === 0 && this.#chunk.length - this.#chunkStart >= lengthBytes;
    return isWithinChunk ? this.#totalAt(this.#chunk, this.#chunkStart) : 0;
  }

  #totalAt(bytes: Buffer, offset: number): number {
    return lengthBytes + Math.min(bytes.readUInt32BE(offset), this.#frameBytesMax);
  }

  #lengthAt(bytes: Buffer, offset: number): number {
    const length = bytes.readUInt32BE(offset);
    if (length === 0) throw new FrameError('empty', 'frame of length 0');
    if (length > this.#frameBytesMax) {
      throw new FrameError('too-long', `frame of ${length} bytes, ${this.#frameBytesMax} allowed`);
    }
    return length;
  }

  #expose(bytes: Buffer, offset: number, length: number): void {
    this.bytes = bytes;
    this.code = bytes[offset + lengthBytes]!;
    this.start = offset + frameHeadBytes;
    this.end = offset + lengthBytes + length;
  }
}
