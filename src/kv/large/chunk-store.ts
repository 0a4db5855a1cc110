/**
 * Chunks and upload records as objects: written at the quorum of the object that is to refer to them, read from any
 * replica that has them, since they never change.
 */
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { VersionVector } from '../../clocks/index.ts';
import type { Environment } from '../../environment/index.ts';
import { type ByteString, bufferOf } from '../../stdx/index.ts';
import { type Content, encodeContent } from '../../wire/index.ts';
import type { BucketProperties } from '../bucket-properties.ts';
import { chunkBucket, chunkKey, chunkSpaceProperties, chunkType, uploadBucket } from '../chunk-space.ts';
import { type CoordinatorParts, coordinateGet, coordinatePut } from '../coordinator/index.ts';
import { type Deletes, failureOf } from '../deletes.ts';
import type { ObjectAddress, WriteOptions } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import type { VersionedObject } from '../object/index.ts';
import { type QuorumValue, quorumAll, quorumCount, quorumOne, resolveQuorum } from '../quorum-value.ts';
import { uniqueText, vtagLength } from '../unique-text.ts';
import { ChunkTurns } from './chunk-turns.ts';
import { decodeUploadRecord, encodeUploadRecord, type UploadRecord } from './upload-record.ts';

const crcBytes = 4;

export interface ChunkStoreParts {
  readonly environment: Pick<Environment, 'clock' | 'random' | 'tasks'>;
  readonly coordinator: CoordinatorParts;
  readonly deletes: Deletes;
  /** Of buckets that have none of their own. */
  readonly defaults: BucketProperties;
}

/** How what belongs to one object is written. */
export interface ChunkWriting {
  readonly options: WriteOptions;
  readonly properties: BucketProperties;
}

export type ReadAnswer =
  | { readonly kind: 'read'; readonly object: VersionedObject | undefined }
  | { readonly kind: 'failed'; readonly error: KvError };

export class ChunkStore {
  readonly #parts: ChunkStoreParts;
  readonly #properties: BucketProperties;
  readonly #turns: ChunkTurns;

  constructor(parts: ChunkStoreParts) {
    this.#parts = parts;
    this.#properties = chunkSpaceProperties(parts.defaults);
    this.#turns = new ChunkTurns(parts.environment.tasks);
  }

  /**
   * The quorums of a write to a bucket of these properties, with no more replicas than a chunk has; as durable as there.
   */
  writing(options: WriteOptions, bucket: BucketProperties): ChunkWriting {
    const { n_val: n } = this.#properties;
    const quorum = (asked: QuorumValue | undefined, property: QuorumValue) =>
      quorumCount(Math.min(n, resolveQuorum(asked, property, options.nVal ?? bucket.n_val)));
    return {
      options: {
        w: quorum(options.w, bucket.w),
        dw: quorum(options.dw, bucket.dw),
        pw: quorum(options.pw, bucket.pw),
        nodeConfirms: quorum(options.nodeConfirms, bucket.node_confirms),
        sloppyQuorum: options.sloppyQuorum,
        timeoutMs: options.timeoutMs,
        syncOnWrite: options.syncOnWrite,
      },
      properties: {
        ...this.#properties,
        durability: bucket.durability,
        sync_on_write: bucket.sync_on_write,
      },
    };
  }

  async putChunk(
    upload: ByteString,
    index: number,
    bytes: Buffer,
    how: ChunkWriting,
  ): Promise<KvError | undefined> {
    await this.#turns.wait();
    const key = chunkKey(upload, index);
    const value = Buffer.allocUnsafe(crcBytes + bytes.length);
    value.writeUInt32BE(checksum(key, bytes), 0);
    bytes.copy(value, crcBytes);
    return this.#put({ bucketType: chunkType, bucket: chunkBucket, key }, value, how);
  }

  putRecord(upload: ByteString, record: UploadRecord, how: ChunkWriting): Promise<KvError | undefined> {
    const address = { bucketType: chunkType, bucket: uploadBucket, key: upload };
    return this.#put(address, encodeUploadRecord(record), how);
  }

  /** Whoever has the chunk has all there is to know of it: the first that answers is enough. */
  async getChunk(upload: ByteString, index: number, timeoutMs?: number): Promise<Buffer | KvError> {
    await this.#turns.wait();
    const key = chunkKey(upload, index);
    const address = { bucketType: chunkType, bucket: chunkBucket, key };
    const read = { ...address, r: quorumOne, notfoundOk: false, basicQuorum: false, timeoutMs };
    const answer = await this.read(read, this.#properties);
    if (answer.kind === 'failed') return answer.error;
    for (const { value } of answer.object?.contents() ?? []) {
      const bytes = value.subarray(crcBytes);
      if (value.length > crcBytes && value.readUInt32BE(0) === checksum(key, bytes)) return bytes;
    }
    return { code: 'chunk_missing', index };
  }

  /** Undefined: there is none that could be read. */
  async getRecord(upload: ByteString): Promise<UploadRecord | undefined> {
    const address = { bucketType: chunkType, bucket: uploadBucket, key: upload };
    const answer = await this.read(address, this.#properties);
    if (answer.kind === 'failed') return undefined;
    let found: UploadRecord | undefined;
    // An upload that grows says so without reading what it said before.
    for (const { value } of answer.object?.contents() ?? []) {
      const record = decodeUploadRecord(value);
      if (record !== undefined && record.chunksMax >= (found?.chunksMax ?? 0)) found = record;
    }
    return found;
  }

  /** True: it is gone, or was not there. */
  deleteChunk(upload: ByteString, index: number): Promise<boolean> {
    return this.#delete({ bucketType: chunkType, bucket: chunkBucket, key: chunkKey(upload, index) });
  }

  deleteRecord(upload: ByteString): Promise<boolean> {
    return this.#delete({ bucketType: chunkType, bucket: uploadBucket, key: upload });
  }

  /** What the replicas hold, whatever of it is shown. */
  read(request: Parameters<typeof coordinateGet>[1], properties: BucketProperties): Promise<ReadAnswer> {
    return new Promise((resolve) => coordinateGet(this.#parts.coordinator, request, properties, resolve));
  }

  /** At all replicas, each a primary. */
  readEverywhere(address: ObjectAddress, properties: BucketProperties): Promise<ReadAnswer> {
    return this.read({ ...address, r: quorumAll, pr: quorumAll, notfoundOk: true }, properties);
  }

  #put(address: ObjectAddress, value: Buffer, how: ChunkWriting): Promise<KvError | undefined> {
    const { coordinator, environment } = this.#parts;
    const { random, clock } = environment;
    const content: Content = {
      value,
      vtag: uniqueText(random, vtagLength),
      lastModifiedMicros: clock.wallMicros(),
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
    };
    const write = {
      address,
      options: how.options,
      context: VersionVector.empty,
      content: encodeContent(content),
      update: undefined,
      condition: 'none',
      asis: false,
      wantsObject: false,
      isForwarded: false,
    } as const;
    return new Promise((resolve) => {
      coordinatePut(coordinator, write, how.properties, (outcome) => {
        resolve(outcome.kind === 'written' ? undefined : failureOf(outcome).error);
      });
    });
  }

  #delete(address: ObjectAddress): Promise<boolean> {
    const { deletes, environment } = this.#parts;
    return new Promise((resolve) => {
      deletes.delete(address, this.#properties, environment.clock.now(), ({ kind }) => {
        resolve(kind !== 'failed');
      });
    });
  }
}

/** Of the bytes under their name, so that a chunk that lies in another's place is none. */
function checksum(key: ByteString, bytes: Buffer): number {
  return crc32(bytes, crc32(bufferOf(key)));
}
