/** What requests about objects have in common, whole or in pieces. */
import type { ByteString } from '../../stdx/index.ts';
import { type Content, encodeContent } from '../../wire/index.ts';
import type { ReadOptions } from '../call-options.ts';
import type { BucketName, ObjectName, PutOptions } from '../transport.ts';
import { numberOfQuorum } from './quorum-number.ts';

/** The default type goes unnamed, as in requests of Riak's clients. */
export function addressOf({ bucket, bucketType }: BucketName): {
  readonly bucket: ByteString;
  readonly type: ByteString | undefined;
} {
  return { bucket, type: bucketType === 'default' ? undefined : bucketType };
}

/** Throws `invalid_argument`. */
export function getFields(name: ObjectName, options: ReadOptions) {
  return {
    ...addressOf(name),
    key: name.key,
    r: numberOfQuorum(options.r),
    pr: numberOfQuorum(options.pr),
    basic_quorum: options.basicQuorum,
    notfound_ok: options.notfoundOk,
  };
}

/** Throws `invalid_argument`. */
export function putFields(
  name: BucketName,
  key: ByteString | undefined,
  content: Content,
  options: PutOptions,
) {
  return {
    ...addressOf(name),
    key,
    vclock: options.context,
    content: encodeContent(content),
    w: numberOfQuorum(options.w),
    dw: numberOfQuorum(options.dw),
    pw: numberOfQuorum(options.pw),
    if_not_modified: options.condition === 'unchanged' ? true : undefined,
    if_none_match: options.condition === 'absent' ? true : undefined,
  };
}
