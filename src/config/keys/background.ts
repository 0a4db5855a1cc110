import { defineKey } from '../key-definition.ts';
import { bytes, duration } from '../value-type.ts';

export const backgroundKeys = {
  'background.delay.maximum': defineKey({
    type: duration({ minimum: 1, maximum: 60_000 }),
    default: 10,
    doc: 'How much later the event loop may turn while partitions move, or are read for hash trees. Above it, or when requests of clients take longer than usual, that work goes at half its rate; below, a little faster each tenth of a second.',
    extremes: [1, 60_000],
  }),
  'background.rate.minimum': defineKey({
    type: bytes({ minimum: 4096, maximum: 2 ** 40 }),
    default: 4 * 2 ** 20,
    doc: 'Bytes a second, with 1 KiB for each object beside its own, at which that work goes on whatever waits for it: what has begun must end.',
    extremes: [64 * 2 ** 10, 2 ** 30],
  }),
} as const;
