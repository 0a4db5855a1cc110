/** Base-62 names drawn at random: vtags and generated keys. */
import type { Random } from '../environment/index.ts';
import { type ByteString, byteLiteral } from '../stdx/index.ts';

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
export const vtagLength = 22;
/** Riak's generated keys have about this length; 160 bits never collide. */
export const generatedKeyLength = 27;

export function uniqueText(random: Random, length: number): ByteString {
  let text = '';
  while (text.length < length) text += fiveLetters(random.u32());
  return byteLiteral(text.slice(0, length));
}

/** 62^5 < 2^32: each letter is within 0.1 % of uniform. Five at once: every vtag is made here. */
function fiveLetters(draw: number): string {
  const second = Math.floor(draw / 62);
  const third = Math.floor(second / 62);
  const fourth = Math.floor(third / 62);
  const fifth = Math.floor(fourth / 62);
  return String.fromCharCode(letter(draw), letter(second), letter(third), letter(fourth), letter(fifth));
}

function letter(number: number): number {
  return alphabet.charCodeAt(number % 62);
}
