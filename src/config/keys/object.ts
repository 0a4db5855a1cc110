import { defineKey } from '../key-definition.ts';
import { bytes, duration, either, integer } from '../value-type.ts';

export const objectKeys = {
  'object.size.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 512 * 2 ** 20 }),
    default: 50 * 2 ** 20,
    doc: 'A write that would make an object larger than this is refused.',
    extremes: [1024],
  }),
  'object.size.warning_threshold': defineKey({
    type: bytes({ minimum: 0, maximum: 512 * 2 ** 20 }),
    default: 5 * 2 ** 20,
    doc: 'An object larger than this is logged when it is written. Keep objects below 1MB.',
    extremes: [0],
  }),
  'object.siblings.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 100,
    doc: 'A write that would leave more siblings than this is refused.',
    extremes: [1],
  }),
  'object.siblings.warning_threshold': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 25,
    doc: 'An object with more siblings than this is logged when it is written.',
    extremes: [1],
  }),
  'object.siblings.merges.maximum': defineKey({
    type: integer({ minimum: 0, maximum: 100_000 }),
    default: 64,
    doc: 'Merges of too many siblings that are under way on this node at once; whoever sees such an object next tries again. 0: only the write itself merges.',
    extremes: [1],
  }),
  'object.siblings.union.maximum': defineKey({
    type: bytes({ minimum: 0, maximum: 64 * 2 ** 20 }),
    default: 2 ** 20,
    doc: 'Siblings whose values together are longer are not joined by the merge policy "union": that takes a pass of the event loop. Alike at all nodes.',
  }),
  delete_mode: defineKey({
    type: either(duration({ minimum: 0, maximum: 604_800_000 }, 'ms'), 'keep', 'immediate'),
    default: 3000,
    doc: 'When the tombstone of a deleted object goes: after a while, "immediate"ly, or never ("keep").',
    extremes: ['keep', 'immediate'],
  }),
  tombstone_pause: defineKey({
    type: duration({ minimum: 0, maximum: 3_600_000 }, 's'),
    default: 2000,
    doc: 'How long after a delete its tombstone is looked at again, to be forgotten as delete_mode says if every replica has it.',
    extremes: [0],
  }),
  'tombstone.sweep.interval': defineKey({
    type: duration({ minimum: 100, maximum: 2_592_000_000 }),
    default: 600_000,
    doc: 'How often this node looks for tombstones that could not be forgotten at their time.',
    extremes: [1000, 2_592_000_000],
  }),
  'tombstone.sweep.limit': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Tombstones a second that this node looks at again.',
    extremes: [1],
  }),
  'tombstone.reaped.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 10_000_000 }),
    default: 300_000,
    doc: 'Forgotten tombstones that this node remembers for two minutes, so that no late message brings back what they deleted; each takes about 300 bytes of memory, and as many on disk. Without room tombstones wait for the sweep.',
    // Fewer would be full for minutes: a story that ends within one would find tombstones that wait.
    extremes: [1000],
  }),
  'tombstone.reaped.size.maximum': defineKey({
    type: bytes({ minimum: 64 * 1024, maximum: 2 ** 40 }),
    default: 96 * 2 ** 20,
    doc: 'Bytes of those, with their keys: what was forgotten may hold an expired value beside its tombstone. The last one goes beyond.',
    extremes: [256 * 1024],
  }),
  'expiry.margin': defineKey({
    // No less than what is remembered of a tombstone, for the same reason; and objects are too large to be remembered.
    type: duration({ minimum: 120_000, maximum: 604_800_000 }),
    default: 600_000,
    doc: 'By how much the clocks of nodes may differ: what has expired is not shown any more, but takes room for so long. Two minutes at least: so long may an older copy of it be under way.',
    extremes: [120_000],
  }),
  'expiry.sweep.interval': defineKey({
    type: duration({ minimum: 100, maximum: 86_400_000 }),
    default: 10_000,
    doc: 'How often a partition is looked through for what has expired.',
    extremes: [100, 86_400_000],
  }),
  'expiry.sweep.limit': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Expired objects a second that this node has forgotten.',
    extremes: [1],
  }),
} as const;
