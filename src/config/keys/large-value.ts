import { defineKey } from '../key-definition.ts';
import { bytes, duration, integer } from '../value-type.ts';

export const largeValueKeys = {
  'large_values.threshold': defineKey({
    type: bytes({ minimum: 1024, maximum: 512 * 2 ** 20 }),
    default: 2 ** 20,
    doc: 'A value longer than this that comes over HTTP is kept in chunks, and never held whole in memory.',
    extremes: [1024],
  }),
  'large_values.chunk': defineKey({
    type: bytes({ minimum: 1024, maximum: 16 * 2 ** 20 }),
    default: 512 * 2 ** 10,
    doc: 'How long a chunk is; at most half of object.size.maximum. Four of each transfer are in memory.',
    extremes: [1024],
  }),
  'large_values.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 2 ** 40 }),
    default: 5 * 2 ** 30,
    doc: 'A value longer than this is refused.',
  }),
  'large_values.uploads': defineKey({
    type: integer({ minimum: 0, maximum: 10_000 }),
    default: 16,
    doc: 'Large values that this node takes at once; one more is refused as overload.',
    extremes: [1],
  }),
  'large_values.downloads': defineKey({
    type: integer({ minimum: 1, maximum: 10_000 }),
    default: 64,
    doc: 'Large values that this node sends at once; one more is refused as overload.',
    extremes: [1],
  }),
  'large_values.upload_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 3_600_000,
    doc: 'How long one upload may take; http.receive_timeout counts too. Chunks that nothing refers to stay at least twice as long.',
  }),
  'large_values.piece_timeout': defineKey({
    type: duration({ minimum: 100, maximum: 86_400_000 }),
    default: 600_000,
    doc: 'How long a client of the Protocol Buffers listener that streams a value may take for its next piece.',
  }),
  'large_values.sweep_interval': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 600_000,
    doc: 'How often this node looks for chunks that nothing refers to any more.',
    extremes: [1000],
  }),
  'large_values.linger': defineKey({
    type: duration({ minimum: 0, maximum: 86_400_000 }),
    default: 600_000,
    doc: 'How long the chunks of a value stay that was found to be replaced or deleted, beyond the time of an upload: who reads it may end.',
    extremes: [0],
  }),
  'large_values.removal_limit': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 100,
    doc: 'Chunks a second that this node removes.',
    extremes: [1],
  }),
  'large_values.assembled.maximum': defineKey({
    type: bytes({ minimum: 0, maximum: 2 ** 40 }),
    default: 256 * 2 ** 20,
    doc: 'Memory for large values that are put together for clients that take values whole, all requests together.',
    extremes: [0],
  }),
} as const;
