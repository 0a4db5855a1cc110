/** What the configuration says to the database. */
import type { Configuration } from '../config/index.ts';
import {
  type BucketProperties,
  defaultBucketProperties,
  type KeyValueSettings,
  type QuorumValue,
  quorumCount,
  quorumOfWord,
} from '../kv/index.ts';

export function keyValueSettings(configuration: Configuration): KeyValueSettings {
  return {
    requestTimeoutMs: configuration.request_timeout,
    tombstonePauseMs: configuration.tombstone_pause,
    requestsMax: configuration.max_concurrent_requests,
    turnDelayMs: configuration['overload.turn_delay'],
    requestDelayMs: configuration['overload.request_delay'],
    readRepairsPerSecondMax: configuration.read_repair_limit,
    coordinatorFailureTimeoutMs: configuration.put_coordinator_failure_timeout,
    hedgeDelayMsMin: configuration['read_hedge.minimum'],
    hedgeDelayMsMax: configuration['read_hedge.maximum'],
    readEveryoneInterval: configuration['read_everyone.interval'],
    strayBytesMax: configuration['handoff.stray.maximum'],
    objectBytesMax: configuration['object.size.maximum'],
    objectBytesWarn: configuration['object.size.warning_threshold'],
    siblingsMax: configuration['object.siblings.maximum'],
    siblingMergesMax: configuration['object.siblings.merges.maximum'],
    unionBytesMax: configuration['object.siblings.union.maximum'],
    keyQueueMax: configuration['conditional.waiting.maximum'],
    siblingsWarn: configuration['object.siblings.warning_threshold'],
    datatypeBytesMax: configuration['datatype.size.maximum'],
    decodedBytesMax: configuration['datatype.cache.maximum'],
    deleteMode: configuration.delete_mode,
    expiryMarginMs: configuration['expiry.margin'],
    expirySweepIntervalMs: configuration['expiry.sweep.interval'],
    expirySweepPerSecondMax: configuration['expiry.sweep.limit'],
    tombstoneSweepIntervalMs: configuration['tombstone.sweep.interval'],
    tombstoneSweepPerSecondMax: configuration['tombstone.sweep.limit'],
    reapedMax: configuration['tombstone.reaped.maximum'],
    reapedBytesMax: configuration['tombstone.reaped.size.maximum'],
    listTimeoutMs: configuration.list_timeout,
    queryTimeoutMs: configuration.secondary_index_timeout,
    bucketDefaults: bucketDefaults(configuration),
  };
}

function bucketDefaults(configuration: Configuration): BucketProperties {
  return {
    ...defaultBucketProperties,
    n_val: configuration['buckets.default.n_val'],
    r: quorum(configuration['buckets.default.r']),
    w: quorum(configuration['buckets.default.w']),
    dw: quorum(configuration['buckets.default.dw']),
    rw: quorum(configuration['buckets.default.rw']),
    pr: quorum(configuration['buckets.default.pr']),
    pw: quorum(configuration['buckets.default.pw']),
    node_confirms: quorum(configuration['buckets.default.node_confirms']),
    notfound_ok: configuration['buckets.default.notfound_ok'],
    basic_quorum: configuration['buckets.default.basic_quorum'],
    allow_mult: configuration['buckets.default.allow_mult'],
    last_write_wins: configuration['buckets.default.last_write_wins'],
    sync_on_write: configuration['buckets.default.sync_on_write'],
    durability: configuration.durability,
  };
}

function quorum(value: number | 'one' | 'quorum' | 'all'): QuorumValue {
  return typeof value === 'number' ? quorumCount(value) : quorumOfWord(value)!;
}
