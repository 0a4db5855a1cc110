/** The beginning of a body whose length nobody has said: whether it is large is known when so much has come. */
import { Buffer } from 'node:buffer';

export type BodyStart =
  /** All of it: not more than was asked for. */
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  /** What has come already is part of the body that is given. */
  | { readonly kind: 'more'; readonly body: AsyncIterable<Buffer> }
  | { readonly kind: 'broken_off' };

/** Does not reject. */
export async function readBodyStart(body: AsyncIterable<Buffer>, bytesMax: number): Promise<BodyStart> {
  const pieces = body[Symbol.asyncIterator]();
  const come: Buffer[] = [];
  let bytes = 0;
  while (bytes <= bytesMax) {
    const piece = await nextPiece(pieces);
    if (piece === 'broken off') return { kind: 'broken_off' };
    if (piece === undefined) return { kind: 'whole', bytes: Buffer.concat(come) };
    come.push(piece);
    bytes += piece.length;
  }
  return { kind: 'more', body: rejoined(come, pieces) };
}

/** Undefined: the end. */
export async function nextPiece(pieces: AsyncIterator<Buffer>): Promise<Buffer | 'broken off' | undefined> {
  try {
    const next = await pieces.next();
    return next.done === true ? undefined : next.value;
  } catch {
    // Whatever the source says, it is the end of it.
    return 'broken off';
  }
}

/** No generator: that would not end what it reads from if it was never asked for its first piece. */
function rejoined(come: Buffer[], pieces: AsyncIterator<Buffer>): AsyncIterable<Buffer> {
  const iterator: AsyncIterator<Buffer> = {
    async next() {
      const piece = come.shift();
      return piece === undefined ? pieces.next() : { done: false, value: piece };
    },
    async return() {
      await pieces.return?.();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}
