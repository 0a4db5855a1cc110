/** An object with its values in it, for who takes objects whole: as it would be had its values been small. */
import { Buffer } from 'node:buffer';
import type { Timers } from '../../environment/index.ts';
import { decodeContent, encodeContent, manifestOfContent } from '../../wire/index.ts';
import { KvFailure } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { makeObject, type Sibling, type VersionedObject } from '../object/index.ts';
import type { ChunkStore } from './chunk-store.ts';
import { decodeManifest, manifestsOf } from './manifest.ts';
import { readChunks } from './read-chunks.ts';

/** Bytes of values that are being put together, of all requests. */
export class AssembledBytes {
  readonly bytesMax: number;
  #held = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** False: there is no room for so much. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.bytesMax) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}

export interface Assembly {
  readonly chunks: ChunkStore;
  readonly timers: Timers;
  readonly held: AssembledBytes;
  readonly wholeBytesMax: number;
}

export async function assembleObject(
  assembly: Assembly,
  object: VersionedObject,
): Promise<VersionedObject | KvError> {
  const { held, wholeBytesMax } = assembly;
  const bytes = manifestsOf(object).reduce((sum, manifest) => sum + manifest.bytes, 0);
  if (bytes > wholeBytesMax) return { code: 'too_large_to_assemble', bytes, bytesMax: wholeBytesMax };
  if (!held.take(bytes)) return { code: 'overload' };
  try {
    const siblings: Sibling[] = [];
    for (const sibling of object.siblings) siblings.push(await assembled(assembly, sibling));
    return makeObject(object.clock, siblings);
  } catch (error) {
    if (error instanceof KvFailure) return error.error;
    throw error;
  } finally {
    held.release(bytes);
  }
}

/** Throws `KvFailure`. */
async function assembled({ chunks, timers }: Assembly, sibling: Sibling): Promise<Sibling> {
  const encoded = manifestOfContent(sibling.content);
  if (encoded === undefined) return sibling;
  const manifest = decodeManifest(encoded);
  if (manifest === undefined) {
    throw new KvFailure({ code: 'storage', reason: 'the manifest of a value is damaged' });
  }
  const pieces: Buffer[] = [];
  for await (const chunk of readChunks(chunks, timers, manifest, { from: 0, to: manifest.bytes }))
    pieces.push(chunk);
  const { manifest: _, ...content } = decodeContent(sibling.content);
  return { dot: sibling.dot, content: encodeContent({ ...content, value: Buffer.concat(pieces) }) };
}
