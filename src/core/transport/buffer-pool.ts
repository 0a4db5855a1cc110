import { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';

/** A turn's messages to a peer fit in one, mostly; a message that does not gets a buffer of its own. */
export const pooledBytes = 64 * 1024;
/** 8 MiB at most lie idle. */
const idleBuffersMax = 256;

/** Buffers to gather messages in: lent while bytes in them are under way. */
export class BufferPool {
  readonly #idle: Buffer[] = [];

  lend(): Buffer {
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(pooledBytes);
  }

  giveBack(buffer: Buffer): void {
    assert(buffer.length === pooledBytes, 'only lent buffers come back');
    if (this.#idle.length < idleBuffersMax) this.#idle.push(buffer);
  }
}
