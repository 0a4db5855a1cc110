/** A hash of a key for tables in memory, which are never written down. Whoever chooses keys can make them collide. */
import type { Buffer } from 'node:buffer';

/** FNV-1a, with a last step that spreads it over the low bits. */
export function hashOfKey(key: Buffer): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key[at]!, 0x01000193);
  return hash ^ (hash >>> 15);
}
