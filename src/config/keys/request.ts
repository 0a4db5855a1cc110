import { defineKey } from '../key-definition.ts';
import { duration, integer } from '../value-type.ts';

export const requestKeys = {
  max_concurrent_requests: defineKey({
    type: integer({ minimum: 1, maximum: 10_000_000 }),
    default: 50_000,
    doc: 'Requests in progress on this node; one more is refused at once as overload.',
    extremes: [2],
  }),
  'overload.turn_delay': defineKey({
    type: duration({ minimum: 1, maximum: 60_000 }, 'ms'),
    default: 500,
    doc: 'When every pass of the event loop has taken longer than this for a while, a pass takes requests for so long and refuses the rest as overload. It bounds how late heartbeats are; keep it well below liveness timeouts.',
    extremes: [1, 60_000],
  }),
  'overload.request_delay': defineKey({
    type: duration({ minimum: 1, maximum: 600_000 }, 'ms'),
    default: 250,
    doc: 'When even the fastest reads, or writes, take longer than this, and than twice what they take with few under way, fewer are let in at once, down to 32; the rest is refused as overload.',
    extremes: [1, 600_000],
  }),
  'conditional.waiting.maximum': defineKey({
    type: integer({ minimum: 0, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Conditional writes that wait for one key on this node, in buckets where they are serialised; one more is refused as overload.',
    extremes: [2],
  }),
  request_timeout: defineKey({
    type: duration({ minimum: 1, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long a request may take that names no timeout of its own.',
    extremes: [50, 3_600_000],
  }),
  list_timeout: defineKey({
    type: duration({ minimum: 1, maximum: 604_800_000 }),
    default: 60_000,
    doc: 'How long a listing of keys or buckets may take that names no timeout of its own.',
    extremes: [50, 3_600_000],
  }),
  secondary_index_timeout: defineKey({
    type: duration({ minimum: 0, maximum: 604_800_000 }),
    default: 0,
    doc: 'How long a query of a secondary index may take that names no timeout of its own; 0: as long as its results are taken.',
  }),
  read_repair_limit: defineKey({
    type: integer({ minimum: 0, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Read repairs a second that this node starts; what goes beyond is left to anti-entropy.',
    extremes: [0],
  }),
  'read_hedge.minimum': defineKey({
    type: duration({ minimum: 1, maximum: 60_000 }, 'ms'),
    default: 10,
    doc: 'A second replica is asked for a value when the first is later than 95 % of its answers, but not before this.',
    extremes: [1],
  }),
  'read_hedge.maximum': defineKey({
    type: duration({ minimum: 1, maximum: 3_600_000 }, 'ms'),
    default: 500,
    doc: 'A second replica is asked for a value after this at the latest, or if nothing is known of the first.',
    extremes: [1, 3_600_000],
  }),
  'read_everyone.interval': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 10,
    doc: 'A read asks as many replicas as its quorum needs, and the others when these differ, miss the key, fail or are late. Every so many-th asks all at once, and repairs what missed a write; 1: each does, as in Riak.',
    extremes: [1, 1_000_000],
  }),
  put_coordinator_failure_timeout: defineKey({
    type: duration({ minimum: 1, maximum: 3_600_000 }, 'ms'),
    default: 3000,
    doc: 'How long a node waits for a write it forwarded to be taken up before it tries another coordinator. A conditional write is not sent again.',
    extremes: [10],
  }),
} as const;
