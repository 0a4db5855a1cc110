/** Properties of buckets of the default type that set none of their own. */
import { defineKey } from '../key-definition.ts';
import { either, flag, integer, type ValueType, word } from '../value-type.ts';

/** The bound of the bucket property, too: what a bucket shows can be written back to it. */
const nValMax = 64;

function quorum(minimum: 0 | 1): ValueType<number | 'one' | 'quorum' | 'all'> {
  return either(integer({ minimum, maximum: nValMax }), 'one', 'quorum', 'all');
}

export const bucketKeys = {
  'buckets.default.n_val': defineKey({
    type: integer({ minimum: 1, maximum: nValMax }),
    default: 3,
    doc: 'Replicas of every object.',
    extremes: [1, 5],
  }),
  'buckets.default.r': defineKey({
    type: quorum(1),
    default: 'quorum',
    doc: 'Replicas that must answer a read.',
    extremes: ['one', 'all'],
  }),
  'buckets.default.w': defineKey({
    type: quorum(1),
    default: 'quorum',
    doc: 'Replicas that must have received a write.',
    extremes: ['one', 'all'],
  }),
  'buckets.default.dw': defineKey({
    type: quorum(0),
    default: 'quorum',
    doc: 'Replicas that must have stored a write.',
    extremes: [0, 'all'],
  }),
  'buckets.default.rw': defineKey({
    type: quorum(1),
    default: 'quorum',
    doc: 'Replicas that must answer in both phases of a delete. Superseded by r and w.',
  }),
  'buckets.default.pr': defineKey({
    type: quorum(0),
    default: 0,
    doc: 'Primary replicas that must answer a read. Above 0, reads fail while too many primaries are away.',
    extremes: ['quorum'],
  }),
  'buckets.default.pw': defineKey({
    type: quorum(0),
    default: 0,
    doc: 'Primary replicas that must take a write. Above 0, writes fail while too many primaries are away.',
    extremes: ['quorum'],
  }),
  'buckets.default.node_confirms': defineKey({
    type: quorum(0),
    default: 0,
    doc: 'Distinct nodes that must take part in a read or a write.',
    extremes: [2],
  }),
  'buckets.default.notfound_ok': defineKey({
    type: flag(),
    default: true,
    doc: 'Whether "not found" from a replica counts towards r.',
    extremes: [false],
  }),
  'buckets.default.basic_quorum': defineKey({
    type: flag(),
    default: false,
    doc: 'Whether a majority of "not found" ends a read, when notfound_ok is false.',
    extremes: [true],
  }),
  'buckets.default.allow_mult': defineKey({
    type: flag(),
    default: false,
    doc: 'Whether concurrent writes are all kept, as siblings. Typed buckets always start with true.',
    extremes: [true],
  }),
  'buckets.default.last_write_wins': defineKey({
    type: flag(),
    default: false,
    doc: 'Whether a write overwrites without looking at what is stored.',
    extremes: [true],
  }),
  'buckets.default.sync_on_write': defineKey({
    type: word('backend', 'one', 'all'),
    default: 'backend',
    doc: 'Which replicas sync a write before they acknowledge it, whatever durability says.',
    extremes: ['one', 'all'],
  }),
} as const;
