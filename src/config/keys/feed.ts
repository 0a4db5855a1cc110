import { defineKey } from '../key-definition.ts';
import { duration, integer } from '../value-type.ts';

export const feedKeys = {
  'feed.readers.maximum': defineKey({
    type: integer({ minimum: 0, maximum: 100_000 }),
    default: 256,
    doc: 'Change feeds that are read through this node at a time; one more is refused. 0 refuses all.',
    extremes: [8],
  }),
  'feed.remembered.maximum': defineKey({
    type: integer({ minimum: 0, maximum: 10_000_000 }),
    default: 10_000,
    doc: 'Keys of which each change feed remembers what it told last, so that it tells nothing older and little twice.',
    extremes: [0, 10],
  }),
  'feed.deletions.retention': defineKey({
    type: duration({ minimum: 0, maximum: 31_536_000_000 }),
    default: 604_800_000,
    doc: 'How long a change feed tells of keys that were deleted and are forgotten otherwise. A reader who was away for longer is told of a gap.',
    extremes: [0, 5000],
  }),
  'feed.trim.interval': defineKey({
    type: duration({ minimum: 100, maximum: 604_800_000 }),
    default: 3_600_000,
    doc: 'How often a node looks through its change feeds for deletions that are older.',
    extremes: [1000],
  }),
} as const;
