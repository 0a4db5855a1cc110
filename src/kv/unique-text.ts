/** Base-62 names drawn at random: vtags and generated keys. */
import type { Random } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^5 < 2^32: five letters from each draw, each letter within 0.1 % of uniform. */
const lettersPerDraw = 5;

export const vtagLength = 22;
/** Riak's generated keys have about this length; 160 bits never collide. */
export const generatedKeyLength = 27;

export function uniqueText(random: Random, length: number): ByteString {
  let text = '';
  while (text.length < length) {
    let draw = random.u32();
    for (let letter = 0; letter < lettersPerDraw && text.length < length; letter += 1) {
      text += alphabet[draw % 62];
      draw = Math.floor(draw / 62);
    }
  }
  return byteLiteral(text);
}
