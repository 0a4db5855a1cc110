/** The preference list of a key. */
import { bytesOfText } from '../../stdx/index.ts';
import { type MessageOf, rpbGetBucketKeyPreflistReq, rpbGetBucketKeyPreflistResp } from '../../wire/index.ts';
import { textOfError, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError } from './point-requests.ts';

export function getPreflist(exchange: Exchange, message: MessageOf<typeof rpbGetBucketKeyPreflistReq>): void {
  const { bucket, key, type } = message;
  const { preflists } = exchange.service;
  const badName = emptyNameError(bucket, key, type);
  if (badName !== undefined || preflists === undefined) {
    exchange.fail(badName ?? unknownCode(rpbGetBucketKeyPreflistReq.code));
    return;
  }
  const entries = preflists.of({ bucketType: type ?? defaultType, bucket, key });
  if ('code' in entries) {
    exchange.fail(textOfError(entries));
    return;
  }
  exchange.reply(rpbGetBucketKeyPreflistResp, {
    preflist: entries.map(({ partition, node, primary }) => ({
      partition: BigInt(partition),
      node: bytesOfText(node),
      primary,
    })),
  });
}
