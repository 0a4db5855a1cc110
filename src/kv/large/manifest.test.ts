/** What is written in the place of a large value, and beside it, reads back; and nothing else does. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteLiteral } from '../../stdx/index.ts';
import { ChunkGatherer } from './chunk-gatherer.ts';
import { chunkCount, decodeManifest, encodeManifest, uploadIdLength } from './manifest.ts';
import { decodeUploadRecord, encodeUploadRecord } from './upload-record.ts';

const upload = byteLiteral('u'.repeat(uploadIdLength));
const lengths = fc.maxSafeNat();

test('a manifest reads back, of any length', () => {
  fc.assert(
    fc.property(
      lengths,
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.nat(2 ** 32 - 1),
      (bytes, chunkBytes, crc) => {
        const manifest = { upload, bytes, chunkBytes, crc };
        assert.deepEqual(decodeManifest(encodeManifest(manifest)), manifest);
      },
    ),
  );
});

test('a manifest that is cut, longer or of another version is none', () => {
  const encoded = encodeManifest({ upload, bytes: 5_000_000_000, chunkBytes: 524_288, crc: 7 });
  for (let end = 0; end < encoded.length; end += 1) {
    assert.equal(decodeManifest(encoded.subarray(0, end)), undefined, `${end} bytes of it`);
  }
  assert.equal(decodeManifest(Buffer.concat([encoded, Buffer.alloc(1)])), undefined);
  const later = Buffer.from(encoded);
  later[0] = 2;
  assert.equal(decodeManifest(later), undefined);
});

test('the last chunk may be shorter', () => {
  const count = (bytes: number) => chunkCount({ upload, bytes, chunkBytes: 10, crc: 0 });
  assert.deepEqual([0, 1, 10, 11, 20].map(count), [0, 1, 1, 2, 2]);
});

test('a record of an upload reads back, and no part of it does', () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 40 })
    .map((bytes) => byteLiteral(Buffer.from(bytes).toString('latin1')));
  fc.assert(
    fc.property(
      name,
      name,
      name,
      lengths,
      fc.nat(2 ** 32 - 1),
      (bucketType, bucket, key, begunMicros, chunksMax) => {
        const record = { owner: { bucketType, bucket, key }, begunMicros, chunksMax };
        const encoded = encodeUploadRecord(record);
        assert.deepEqual(decodeUploadRecord(encoded), record);
        for (let end = 0; end < encoded.length - key.length + 1; end += 1) {
          assert.equal(decodeUploadRecord(encoded.subarray(0, end)), undefined);
        }
      },
    ),
  );
});

test('what arrives in any pieces is cut into chunks of one length', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 20 });
  fc.assert(
    fc.property(pieces, fc.integer({ min: 1, max: 30 }), (parts, chunkBytes) => {
      const gatherer = new ChunkGatherer(chunkBytes);
      const chunks: Buffer[] = [];
      for (const part of parts) chunks.push(...gatherer.add(Buffer.from(part)));
      assert.ok(chunks.every(({ length }) => length === chunkBytes));
      const rest = gatherer.rest();
      assert.ok(rest === undefined || (rest.length > 0 && rest.length < chunkBytes));
      if (rest !== undefined) chunks.push(rest);
      assert.deepEqual(Buffer.concat(chunks), Buffer.concat(parts));
    }),
  );
});
