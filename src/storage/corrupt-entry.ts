import type { Buffer } from 'node:buffer';
import { StorageError } from './storage-engine.ts';

/** Longer keys are cut in messages. */
const KEY_BYTES_SHOWN_MAX = 128;

/** A key for people: hexadecimal, since keys are bytes. */
function keyInHex(key: Buffer): string {
  return key.length <= KEY_BYTES_SHOWN_MAX
    ? key.toString('hex')
    : `${key.toString('hex', 0, KEY_BYTES_SHOWN_MAX)}… (${key.length} bytes)`;
}

/** The value under `key` does not match its checksum. */
export function corruptEntry(key: Buffer): StorageError {
  return new StorageError('corrupt', `the value of key ${keyInHex(key)} does not match its checksum`);
}
