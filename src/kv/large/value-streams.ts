/**
 * Values as streams, whatever their length: for who would rather not know which are kept in chunks. What is short, or of
 * a bucket that wants values whole (one with hooks, say), is gathered on its way in, and cut on its way out.
 */
import { Buffer } from 'node:buffer';
import type { ByteString } from '../../stdx/index.ts';
import { type Content, encodeContent } from '../../wire/index.ts';
import type { GetRequest, GetResult, KeyValueStore } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import type { AssembledBytes } from './assemble-object.ts';
import { nextPiece } from './body-start.ts';
import type { LargePut, LargePutResult, LargeValues } from './large-values.ts';

export interface StreamedGet extends Omit<GetRequest, 'head' | 'ifModified' | 'leaveChunks'> {
  /** Of several siblings the one with this tag. */
  readonly vtag?: ByteString | undefined;
  /** Bytes of the value; `to` is behind the last one. What is beyond the value is cut off. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export type StreamedGetResult =
  | {
      readonly kind: 'found';
      readonly object: VersionedObject;
      /** Of the whole value. */
      readonly bytes: number;
      /** Must be read to its end, or ended by `return`. Throws `KvFailure`. */
      readonly chunks: AsyncIterable<Buffer>;
    }
  /** There are several, or the one that was asked for is not among them. */
  | { readonly kind: 'siblings'; readonly object: VersionedObject }
  | { readonly kind: 'notfound' }
  | { readonly kind: 'failed'; readonly error: KvError };

export interface ValueStreamParts {
  readonly store: Pick<KeyValueStore, 'get' | 'put' | 'properties' | 'refuses'>;
  readonly large: LargeValues;
  /** Memory for what is gathered. */
  readonly held: AssembledBytes;
  /** The longest value that is gathered. Bytes. */
  readonly wholeBytesMax: number;
}

export class ValueStreams {
  readonly #parts: ValueStreamParts;

  constructor(parts: ValueStreamParts) {
    this.#parts = parts;
  }

  /** Does not reject. */
  async get({ vtag, from = 0, to, ...request }: StreamedGet): Promise<StreamedGetResult> {
    const { store, large } = this.#parts;
    const result = await new Promise<GetResult>((resolve) => {
      store.get({ ...request, leaveChunks: true }, resolve);
    });
    if (result.kind === 'failed') return result;
    if (result.kind !== 'found') return { kind: 'notfound' };
    const { object } = result;
    const contents = object.contents();
    const content =
      vtag === undefined
        ? contents.length === 1
          ? contents[0]
          : undefined
        : contents.find((one) => one.vtag === vtag);
    if (content === undefined) return { kind: 'siblings', object };
    const { manifest, value } = content;
    const bytes = manifest === undefined ? value.length : large.lengthOf(manifest);
    if (bytes === undefined) {
      return { kind: 'failed', error: { code: 'storage', reason: 'the manifest of the value is damaged' } };
    }
    const start = Math.min(from, bytes);
    const end = Math.max(start, Math.min(to ?? bytes, bytes));
    if (manifest === undefined)
      return { kind: 'found', object, bytes, chunks: only(value.subarray(start, end)) };
    // Of the whole the checksum is known, of a part it is not.
    const isWhole = start === 0 && end === bytes;
    const read = large.read(manifest, isWhole ? undefined : { from: start, to: end });
    if ('code' in read) return { kind: 'failed', error: read };
    return { kind: 'found', object, bytes, chunks: read.chunks };
  }

  /** Reads the body as fast as it is stored, and ends it. Nothing is written before all of it has come. Does not reject. */
  async put(request: LargePut, body: AsyncIterable<Buffer>): Promise<LargePutResult> {
    const { store, large } = this.#parts;
    const { bucketType, length } = request;
    if (store.properties(request) === undefined) {
      return { kind: 'failed', error: { code: 'unknown_bucket_type', bucketType } };
    }
    if (large.takes(request, length ?? Number.POSITIVE_INFINITY)) return large.put(request, body);
    if (store.refuses?.('write') === true) return { kind: 'failed', error: { code: 'overload' } };
    return this.#putWhole(request, body);
  }

  async #putWhole(
    { length, content, ...rest }: LargePut,
    body: AsyncIterable<Buffer>,
  ): Promise<LargePutResult> {
    const { store, held, wholeBytesMax } = this.#parts;
    const gathered: Buffer[] = [];
    let bytes = 0;
    const failed = (error: KvError): LargePutResult => ({ kind: 'failed', error });
    const pieces = body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const piece = await nextPiece(pieces);
        if (piece === 'broken off') return { kind: 'broken_off' };
        if (piece === undefined) break;
        const sum = bytes + piece.length;
        if (sum > wholeBytesMax) return failed({ code: 'too_large', bytes: sum, bytesMax: wholeBytesMax });
        if (!held.take(piece.length)) return failed({ code: 'overload' });
        bytes = sum;
        gathered.push(piece);
      }
      if (length !== undefined && bytes !== length) return { kind: 'broken_off' };
      const whole: Content = { ...content, value: Buffer.concat(gathered) };
      const put = { ...rest, content: encodeContent(whole), leaveChunks: true };
      return await new Promise((resolve) => store.put(put, resolve));
    } finally {
      held.release(bytes);
      await pieces.return?.();
    }
  }
}

async function* only(bytes: Buffer): AsyncIterable<Buffer> {
  if (bytes.length > 0) yield bytes;
}
