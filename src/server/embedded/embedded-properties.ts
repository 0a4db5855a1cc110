/** Properties of buckets and bucket types as an embedded application sees and changes them. */
import { type BucketProperties, type BucketPropertyChanges, HaleError } from '../../client/index.ts';
import {
  type JsonValue,
  type BucketProperties as KvBucketProperties,
  type BucketPropertyChanges as KvBucketPropertyChanges,
  parsePropertyChanges,
  quorumToJson,
} from '../../kv/index.ts';
import { haleErrorOf } from './embedded-error.ts';

/** Throws `unknown_bucket_type` if there are none. */
export function shownProperties(found: KvBucketProperties | undefined): BucketProperties {
  if (found === undefined) throw new HaleError('unknown_bucket_type', 'there is no such bucket type');
  return {
    n_val: found.n_val,
    allow_mult: found.allow_mult,
    last_write_wins: found.last_write_wins,
    r: quorumToJson(found.r),
    w: quorumToJson(found.w),
    dw: quorumToJson(found.dw),
    rw: quorumToJson(found.rw),
    pr: quorumToJson(found.pr),
    pw: quorumToJson(found.pw),
    basic_quorum: found.basic_quorum,
    notfound_ok: found.notfound_ok,
    node_confirms: quorumToJson(found.node_confirms),
    old_vclock: found.old_vclock,
    young_vclock: found.young_vclock,
    big_vclock: found.big_vclock,
    small_vclock: found.small_vclock,
    ...(found.feed ? { feed: true } : {}),
  };
}

/** Throws `invalid_argument`. */
export function parsedChanges(changes: BucketPropertyChanges): KvBucketPropertyChanges {
  const parsed = parsePropertyChanges({ ...changes } as { readonly [name: string]: JsonValue });
  if ('changes' in parsed) return parsed.changes;
  throw haleErrorOf({ code: 'invalid_properties', problems: parsed.problems }, 'write');
}
