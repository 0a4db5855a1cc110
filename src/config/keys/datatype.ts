import { defineKey } from '../key-definition.ts';
import { bytes } from '../value-type.ts';

export const datatypeKeys = {
  'datatype.size.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 512 * 2 ** 20 }),
    default: 5 * 2 ** 20,
    doc: 'An update that would make a counter, set, map or sketch larger than this is refused: each update rewrites all of it.',
    extremes: [1024],
  }),
  'datatype.cache.maximum': defineKey({
    type: bytes({ minimum: 0, maximum: 4 * 2 ** 30 }),
    default: 32 * 2 ** 20,
    doc: 'Memory for large sets and maps that were read or updated a moment ago, so that they need not be decoded again.',
    extremes: [0, 2 ** 20],
  }),
} as const;
