/**
 * Requests to replicas (`replica-request-codec.ts`) and their replies (`replica-reply-codec.ts`), as bytes. Hand-made: a
 * get or a put is a few numbers, the key as the storage has it, and the stored form of an object, copied.
 *
 *   request: 1 byte format · 1 byte kind · 1 byte flags · varint key length · key · rest by kind
 *     get         8 bytes digest if flagged
 *     put         the object
 *     reap        varint first partition · varint n · the object
 *     coordinate  varints (rules, timeout) · varint context length · context · the content
 *     delta       the delta
 *   reply: 1 byte format · 1 byte kind · rest by kind
 *
 * Varints and stored forms have one encoding each, and nothing may be left over: so equal messages have equal
 * bytes, and what was cut is refused. Nothing here may trust a length.
 */
import type { VnodeCodec } from '../../core/vnode/index.ts';
import type { ReplicaReply, ReplicaRequest } from './replica-protocol.ts';
import { readReply, replyBytes, replyTail, writeReply } from './replica-reply-codec.ts';
import { readRequest, requestBytes, requestTail, writeRequest } from './replica-request-codec.ts';

export const replicaCodec: VnodeCodec<ReplicaRequest, ReplicaReply> = {
  requestBytes,
  requestTail,
  writeRequest,
  readRequest,
  replyBytes,
  replyTail,
  writeReply,
  readReply,
  isLast: (reply) => reply.kind !== 'accepted',
  unanswered: (reason) => ({ kind: 'unanswered', reason }),
  // Of a write that was coordinated nobody may hear that nothing has happened.
  tooLarge: ({ kind }, bytes, bytesMax, isServed) =>
    isServed && kind === 'coordinate'
      ? { kind: 'unanswered', reason: 'unheard' }
      : { kind: 'failed', error: { code: 'too_large', bytes, bytesMax } },
  subjectOf: ({ key }) => key.subject,
  moved: (epoch) => ({ kind: 'moved', epoch }),
};
