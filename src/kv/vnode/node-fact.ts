/** Facts that a node keeps of itself: that they are there is all that they say. */
import type { Buffer } from 'node:buffer';
import { type StorageEngine, StorageError } from '../../storage/index.ts';

/** Throws `StorageError` if the disk refuses to be read; a fact that it gives back damaged keeps no node from starting. */
export function stateOfFact(engine: StorageEngine, key: Buffer): 'there' | 'missing' | 'damaged' {
  try {
    return engine.get(key) === undefined ? 'missing' : 'there';
  } catch (error) {
    if (error instanceof StorageError && error.code === 'corrupt') return 'damaged';
    throw error;
  }
}
