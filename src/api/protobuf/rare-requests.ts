/**
 * What a connection does with requests other than gets, puts and deletes: by their codes. A new kind of request is an
 * entry here and a file of its own.
 */
import {
  type FrameType,
  haleCountReq,
  haleFeedReq,
  haleStreamGetReq,
  haleStreamPieceReq,
  haleStreamPutReq,
  rpbCsBucketReq,
  rpbGetBucketKeyPreflistReq,
  rpbGetBucketReq,
  rpbGetBucketTypeReq,
  rpbGetServerInfoReq,
  rpbGetServerInfoResp,
  rpbIndexReq,
  rpbListBucketsReq,
  rpbListKeysReq,
  rpbMapRedReq,
  rpbPingReq,
  rpbPingResp,
  rpbResetBucketReq,
  rpbSetBucketReq,
  rpbSetBucketTypeReq,
  rpbStartTls,
} from '../../wire/index.ts';
import {
  getBucket,
  getBucketType,
  propertiesBytesMax,
  resetBucket,
  setBucket,
  setBucketType,
} from './bucket-requests.ts';
import { datatypeRequests } from './datatype-requests.ts';
import { startTlsRefused, textOfError } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { followFeed } from './feed-request.ts';
import { decodeOrRefuse, type FrameBody } from './frame-body.ts';
import { countKeys, queryIndex } from './index-requests.ts';
import { listBuckets, listKeys } from './list-requests.ts';
import { mapReduce } from './map-reduce-requests.ts';
import { foldBucket } from './object-fold-request.ts';
import { getPreflist } from './preflist-request.ts';
import { getStream } from './stream-get-request.ts';
import { putStream, takePiece } from './stream-put-request.ts';

export type RareRequest = (exchange: Exchange, body: FrameBody) => void;

export const rareRequests: ReadonlyMap<number, RareRequest> = new Map<number, RareRequest>([
  [rpbPingReq.code, (exchange) => exchange.reply(rpbPingResp, {})],
  [rpbGetServerInfoReq.code, getServerInfo],
  [rpbStartTls.code, (exchange) => exchange.fail(startTlsRefused)],
  decoded(rpbListBucketsReq, listBuckets),
  decoded(rpbListKeysReq, listKeys),
  decoded(rpbIndexReq, queryIndex),
  decoded(rpbCsBucketReq, foldBucket),
  decoded(rpbGetBucketReq, getBucket),
  decoded(rpbSetBucketReq, setBucket, propertiesBytesMax),
  decoded(rpbResetBucketReq, resetBucket),
  decoded(rpbGetBucketTypeReq, getBucketType),
  decoded(rpbSetBucketTypeReq, setBucketType, propertiesBytesMax),
  decoded(rpbMapRedReq, mapReduce),
  decoded(rpbGetBucketKeyPreflistReq, getPreflist),
  decoded(haleCountReq, countKeys),
  decoded(haleFeedReq, followFeed),
  decoded(haleStreamGetReq, getStream),
  decoded(haleStreamPutReq, putStream),
  decoded(haleStreamPieceReq, takePiece),
  ...datatypeRequests,
]);

function decoded<T>(
  type: FrameType<T>,
  handle: (exchange: Exchange, message: T) => void,
  bytesMax = Number.POSITIVE_INFINITY,
): readonly [number, RareRequest] {
  return [
    type.code,
    (exchange, body) => {
      const bytes = body.end - body.start;
      if (bytes > bytesMax) {
        exchange.fail(textOfError({ code: 'too_large', bytes, bytesMax }));
        return;
      }
      const message = decodeOrRefuse(exchange, type, body);
      if (message !== undefined) handle(exchange, message);
    },
  ];
}

function getServerInfo(exchange: Exchange): void {
  const { node, version } = exchange.service;
  exchange.reply(rpbGetServerInfoResp, { node, server_version: version });
}
