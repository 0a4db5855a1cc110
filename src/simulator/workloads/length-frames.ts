/** Frames of a length in four bytes and as many bytes of body, for the workloads' own protocols. */
import { Buffer } from 'node:buffer';

const headBytes = 4;

export function lengthFrame(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(headBytes + body.length);
  bytes.writeUInt32LE(body.length);
  bytes.set(body, headBytes);
  return bytes;
}

/** Cuts a stream into frames, whatever pieces it comes in. */
export class LengthFrameReader {
  #rest: Buffer = Buffer.alloc(0);

  bodies(chunk: Buffer): readonly Buffer[] {
    let bytes = Buffer.concat([this.#rest, chunk]);
    const bodies: Buffer[] = [];
    while (bytes.length >= headBytes && bytes.length - headBytes >= bytes.readUInt32LE()) {
      const end = headBytes + bytes.readUInt32LE();
      bodies.push(bytes.subarray(headBytes, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return bodies;
  }
}
