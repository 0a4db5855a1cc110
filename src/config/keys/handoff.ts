import { defineKey } from '../key-definition.ts';
import { bytes, integer } from '../value-type.ts';

export const handoffKeys = {
  transfer_limit: defineKey({
    type: integer({ minimum: 1, maximum: 1024 }),
    default: 8,
    doc: 'Partitions that this node sends to others, and that it receives, at once.',
    extremes: [1, 16],
  }),
  'handoff.rate.maximum': defineKey({
    type: bytes({ minimum: 0, maximum: 2 ** 40 }),
    default: 0,
    doc: 'Bytes a second that this node sends of partitions that move or go back to their owners, all together. 0: as fast as requests of clients leave room.',
    extremes: [64 * 2 ** 10],
  }),
  'handoff.batch.size': defineKey({
    type: bytes({ minimum: 1024, maximum: 16 * 2 ** 20 }),
    default: 64 * 2 ** 10,
    doc: 'Bytes of objects that travel in one message of a transfer, and are stored together. A larger object travels alone.',
    extremes: [1024],
  }),
  'handoff.stray.maximum': defineKey({
    type: bytes({ minimum: 0, maximum: 2 ** 50 }),
    default: 10 * 2 ** 30,
    doc: 'Bytes that this node keeps for owners that are away. Beyond it, writes in their place are refused as overload.',
    extremes: [64 * 2 ** 10],
  }),
} as const;
