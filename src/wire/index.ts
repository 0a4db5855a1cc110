export { contentEntriesMax, hasBoundedMetadata, scanNewContent } from './content-scan.ts';
export { ContentError, DecodeError } from './decode-error.ts';
export { erlangBinary, erlangMember } from './erlang-text.ts';
export { Atom, decodeTerm, encodeTerm, type Term, Tuple } from './external-term.ts';
export { FrameError, FrameReader } from './frame-reader.ts';
export { messageOfCode } from './message-catalogue.ts';
export { decodeMessage, decodeRequest, encodeFrame, encodeMessage, writeFrame } from './message-codec.ts';
export type { Encodable, FrameType, MessageOf, MessageType } from './message-type.ts';
export * from './messages/aae-folds.ts';
export * from './messages/buckets.ts';
export * from './messages/change-feed.ts';
export * from './messages/connection.ts';
export * from './messages/counts.ts';
export * from './messages/data-types.ts';
export * from './messages/objects.ts';
export * from './messages/peer-handshake.ts';
export * from './messages/queries.ts';
export * from './messages/replication.ts';
export * from './messages/search.ts';
export * from './messages/value-streams.ts';
export { writeFrameHead } from './point-reply.ts';
export { GetRequestReader, PutRequestReader } from './point-request.ts';
export { ProtoReader } from './proto-reader.ts';
export { ProtoWriter } from './proto-writer.ts';
export {
  type Content,
  type ContentLifetime,
  decodeContent,
  encodeContent,
  expiryOfContent,
  headOfContent,
  indexesOfContent,
  isDeletedContent,
  type Link,
  lastModifiedOfContent,
  manifestOfContent,
  marksExpiring,
  marksIndexed,
  marksManifest,
  marksOfContent,
  type Pair,
  stampContent,
  stampNewContent,
  tombstoneContent,
  validateContent,
} from './rpb-content.ts';
export { textOfString, textOfTerm } from './term-text.ts';
