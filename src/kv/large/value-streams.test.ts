/** What a bucket does not take in chunks is gathered, within limits. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { byteLiteral } from '../../stdx/index.ts';
import { decodeContent } from '../../wire/index.ts';
import { defaultBucketProperties } from '../bucket-properties.ts';
import type { PutRequest } from '../key-value-store.ts';
import { AssembledBytes } from './assemble-object.ts';
import type { LargePutResult } from './large-values.ts';
import { type ValueStreamParts, ValueStreams } from './value-streams.ts';

const content = { links: [], userMeta: [], indexes: [], deleted: false };

/** A store whose buckets take no chunks, as those with hooks. */
class WholeStore {
  readonly puts: PutRequest[] = [];
  readonly held = new AssembledBytes(100);
  readonly streams: ValueStreams;

  constructor(refuses = false) {
    const none = (): never => assert.fail('not asked for');
    const store: ValueStreamParts['store'] = {
      get: none,
      put: (request, done) => {
        this.puts.push(request);
        done({ kind: 'stored' });
      },
      properties: ({ bucketType }) => (bucketType === 'none' ? undefined : defaultBucketProperties),
      refuses: () => refuses,
    };
    const large = {
      settings: { thresholdBytes: 10, bytesMax: 1000 },
      takes: () => false,
      put: none,
      read: none,
      lengthOf: none,
    };
    this.streams = new ValueStreams({ store, large, held: this.held, wholeBytesMax: 60 });
  }

  async put(lengths: readonly number[], options: { length?: number; bucketType?: string } = {}) {
    let isEnded = false;
    async function* body(): AsyncGenerator<Buffer> {
      try {
        for (const length of lengths) {
          if (length < 0) throw new Error('the peer went away');
          yield Buffer.alloc(length, 7);
        }
      } finally {
        isEnded = true;
      }
    }
    const { bucketType = 'default', ...rest } = options;
    const address = { bucketType: byteLiteral(bucketType), bucket: byteLiteral('b'), key: byteLiteral('k') };
    const begun = body();
    // Begun, so that its end can be seen.
    const result = await this.streams.put({ ...address, content, ...rest }, begun);
    await begun.return(undefined);
    assert.ok(isEnded || lengths.length > 0, 'the body was ended');
    return codeOf(result);
  }
}

function codeOf(result: LargePutResult): string {
  return result.kind === 'failed' ? result.error.code : result.kind;
}

test('a value is put together from its pieces, and its memory is given back', async () => {
  const store = new WholeStore();
  for (let round = 0; round < 5; round += 1) assert.equal(await store.put([20, 0, 30]), 'stored');
  assert.equal(store.puts.length, 5);
  const { value } = decodeContent(store.puts[0]!.content);
  assert.ok(value.equals(Buffer.alloc(50, 7)));
  assert.equal(await store.put([]), 'stored');
  assert.equal(await store.put([30], { length: 30 }), 'stored');
});

test('nothing is stored of what is too long, breaks off, or has not its length', async () => {
  const store = new WholeStore();
  for (let round = 0; round < 5; round += 1) {
    assert.equal(await store.put([30, 31]), 'too_large');
    assert.equal(await store.put([30, -1]), 'broken_off');
    assert.equal(await store.put([30], { length: 31 }), 'broken_off');
  }
  assert.equal(await store.put([1], { bucketType: 'none' }), 'unknown_bucket_type');
  assert.deepEqual(store.puts, []);
  assert.equal(await store.put([60]), 'stored');
  assert.equal(await new WholeStore(true).put([1]), 'overload');
});

test('all that is gathered at once is bounded', async () => {
  const store = new WholeStore();
  assert.ok(store.held.take(50));
  assert.equal(await store.put([40, 20]), 'overload');
  assert.equal(await store.put([50]), 'stored');
  assert.deepEqual(store.puts.length, 1);
});
