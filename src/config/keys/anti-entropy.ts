import { defineKey } from '../key-definition.ts';
import { duration, integer, word } from '../value-type.ts';

export const antiEntropyKeys = {
  tictacaae_active: defineKey({
    type: word('active', 'passive'),
    default: 'active',
    doc: 'Whether this node keeps hash trees of its objects and compares them with the other replicas.',
    extremes: ['passive'],
  }),
  'anti_entropy.interval': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How often every two replicas of a preference list compare their hash trees.',
    extremes: [1000, 3_600_000],
  }),
  'anti_entropy.concurrency_limit': defineKey({
    type: integer({ minimum: 1, maximum: 64 }),
    default: 4,
    doc: 'Exchanges at once that this node begins.',
    extremes: [1, 64],
  }),
  'anti_entropy.repair_limit': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Keys a second that the exchanges of this node repair.',
    extremes: [1, 1_000_000],
  }),
  'anti_entropy.rebuild_limit': defineKey({
    type: integer({ minimum: 10, maximum: 10_000_000 }),
    default: 25_000,
    doc: 'Objects a second that are read to make hash trees anew, as after a crash. Checking them takes a tenth of it.',
    extremes: [10, 10_000_000],
  }),
  'anti_entropy.verify_interval': defineKey({
    type: duration({ minimum: 1000, maximum: 31_536_000_000 }),
    default: 604_800_000,
    doc: 'How often the hash trees of a partition are compared with all its objects.',
    extremes: [1000],
  }),
} as const;
