import { defineKey } from '../key-definition.ts';
import { duration, integer } from '../value-type.ts';

export const indexCheckKeys = {
  'index_check.interval': defineKey({
    type: duration({ minimum: 60_000, maximum: 31_536_000_000 }),
    default: 2_592_000_000,
    doc: 'How often the index entries of a partition are compared with all its objects, and corrected.',
  }),
  'index_check.rate': defineKey({
    type: integer({ minimum: 10, maximum: 10_000_000 }),
    default: 5000,
    doc: 'Objects and index entries a second that such a check reads, also the one after damage or an upgrade.',
  }),
} as const;
