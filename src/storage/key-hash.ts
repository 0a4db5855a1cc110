/** A hash of a key for tables in memory, which are never written down. Whoever chooses keys can make them collide. */
import type { Buffer } from 'node:buffer';

/** A word of four bytes at a time: a put asks for it several times. The last steps bring down what a product leaves high. */
export function hashOfKey(key: Buffer): number {
  const { length } = key;
  let hash = 0x811c9dc5 ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const word = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    hash = Math.imul(hash ^ word, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  for (; at < length; at += 1) hash = Math.imul(hash ^ key[at]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
