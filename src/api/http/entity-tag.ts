/** Entity tags: an object's vtag, or, when it has siblings, a digest of its context. */
import { createHash } from 'node:crypto';
import type { ByteString } from '../../stdx/index.ts';

const base62Digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const tagsMax = 256;

/** Base 62 of the MD5 of the whole context: at most 22 characters, like a vtag. */
export function siblingsEntityTag(context: Uint8Array): string {
  return base62(createHash('md5').update(context).digest());
}

/** The bytes as one big-endian number. */
export function base62(bytes: Uint8Array): string {
  let rest = 0n;
  for (const byte of bytes) rest = (rest << 8n) | BigInt(byte);
  let digits = '';
  do {
    digits = base62Digits[Number(rest % 62n)]! + digits;
    rest /= 62n;
  } while (rest > 0n);
  return digits;
}

/**
 * Whether a list of entity tags (If-Match, If-None-Match) names `tag`. `*` names every tag. Weak and
 * unquoted forms count too: clients that echo what they got send both.
 */
export function namesEntityTag(list: string, tag: string | ByteString): boolean {
  if (list === '*') return true;
  for (const part of list.split(',', tagsMax)) {
    let candidate = part.trim();
    if (candidate === '*') return true;
    if (candidate.startsWith('W/')) candidate = candidate.slice(2);
    if (candidate.length >= 2 && candidate.startsWith('"') && candidate.endsWith('"')) {
      candidate = candidate.slice(1, -1);
    }
    if (candidate === tag) return true;
  }
  return false;
}
