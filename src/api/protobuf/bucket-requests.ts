/** Properties of buckets and of bucket types. */
import { type BucketAddress, type BucketProperties, KvFailure } from '../../kv/index.ts';
import { type ByteString, byteLiteral, textOfBytes } from '../../stdx/index.ts';
import {
  type MessageOf,
  type rpbGetBucketReq,
  rpbGetBucketResp,
  type rpbGetBucketTypeReq,
  type rpbResetBucketReq,
  rpbResetBucketResp,
  type rpbSetBucketReq,
  rpbSetBucketResp,
  type rpbSetBucketTypeReq,
} from '../../wire/index.ts';
import { changesOfProps, propsOfProperties } from './bucket-props.ts';
import {
  defaultTypeUpdate,
  inactiveTypeUpdate,
  invalidBucketType,
  invalidProperties,
  noBucketTypeNamed,
  textOfBucketError,
} from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';

/** Of a request that sets properties: as much as HTTP takes. */
export const propertiesBytesMax = 256 * 1024;

export function getBucket(exchange: Exchange, message: MessageOf<typeof rpbGetBucketReq>): void {
  const found = bucketOf(exchange, message);
  if (found !== undefined) exchange.reply(rpbGetBucketResp, { props: propsOfProperties(found.properties) });
}

export function setBucket(exchange: Exchange, message: MessageOf<typeof rpbSetBucketReq>): void {
  const found = bucketOf(exchange, message);
  if (found === undefined) return;
  const parsed = changesOfProps(message.props);
  if ('problems' in parsed) {
    exchange.fail(invalidProperties(parsed.problems));
    return;
  }
  const { store } = exchange.service;
  change(exchange, 'set bucket properties', async () => {
    await store.setProperties(found.address, parsed.changes);
    exchange.reply(rpbSetBucketResp, {});
  });
}

export function resetBucket(exchange: Exchange, message: MessageOf<typeof rpbResetBucketReq>): void {
  const found = bucketOf(exchange, message);
  if (found === undefined) return;
  const { store } = exchange.service;
  change(exchange, 'reset bucket properties', async () => {
    await store.resetProperties(found.address);
    exchange.reply(rpbResetBucketResp, {});
  });
}

export function getBucketType(exchange: Exchange, message: MessageOf<typeof rpbGetBucketTypeReq>): void {
  // No bucket has the empty name, so what it would have is what the type gives.
  const address = { bucketType: message.type, bucket: byteLiteral('') };
  const properties = exchange.service.store.properties(address);
  if (properties === undefined) exchange.fail(invalidBucketType(message.type));
  else exchange.reply(rpbGetBucketResp, { props: propsOfProperties(properties) });
}

/** Types are created and activated by the administrator's tool; clients may only change active ones. */
export function setBucketType(exchange: Exchange, message: MessageOf<typeof rpbSetBucketTypeReq>): void {
  if (message.type === defaultType) {
    exchange.fail(defaultTypeUpdate);
    return;
  }
  const parsed = changesOfProps(message.props);
  if ('problems' in parsed) {
    exchange.fail(invalidProperties(parsed.problems));
    return;
  }
  const { store } = exchange.service;
  change(exchange, 'set bucket type properties', async () => {
    const refusal = await store.setTypeProperties(message.type, parsed.changes);
    if (refusal === undefined) exchange.reply(rpbSetBucketResp, {});
    else if (refusal.reason !== 'invalid_properties') exchange.fail(inactiveTypeUpdate);
    else exchange.fail(invalidProperties(refusal.problems));
  });
}

interface FoundBucket {
  readonly address: BucketAddress;
  readonly properties: BucketProperties;
}

/** Undefined: the request has been refused. */
function bucketOf(
  exchange: Exchange,
  { bucket, type }: { readonly bucket: ByteString; readonly type?: ByteString | undefined },
): FoundBucket | undefined {
  const badName = emptyNameError(bucket, undefined, type);
  if (badName !== undefined) {
    exchange.fail(badName);
    return undefined;
  }
  const address = { bucketType: type ?? defaultType, bucket };
  const properties = exchange.service.store.properties(address);
  if (properties === undefined) {
    exchange.fail(noBucketTypeNamed(textOfBytes(address.bucketType)));
    return undefined;
  }
  return { address, properties };
}

function change(exchange: Exchange, name: string, run: () => Promise<void>): void {
  exchange.service.tasks.spawn(`protobuf: ${name}`, async () => {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof KvFailure)) throw error;
      exchange.fail(textOfBucketError(error.error));
    }
  });
}
