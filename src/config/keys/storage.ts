import { defineKey } from '../key-definition.ts';
import {
  type BackendKind,
  backendName,
  backends,
  bytes,
  bytesOrAuto,
  flag,
  integer,
  word,
} from '../value-type.ts';

export const storageKeys = {
  storage_backend: defineKey({
    type: word('leveldb', 'log', 'memory', 'multi'),
    default: 'leveldb',
    doc: 'The engine that holds the data of all partitions: "leveldb"; "log", values in an append-only log with an index beside it (docs/internals/log-engine.md); "memory" keeps nothing across a restart; "multi", several of them, each bucket in one (docs/backends.md). Data of one engine is not read by another.',
    extremes: ['memory', 'log'],
  }),
  'multi_backend.backends': defineKey({
    type: backends(),
    default: new Map<string, BackendKind>(),
    doc: 'With storage_backend = "multi": the backends that buckets name in their property "backend", and what each is. Riak\'s form, multi_backend.NAME.storage_backend = "KIND", adds one.',
  }),
  'multi_backend.default': defineKey({
    type: backendName(),
    default: 'main',
    doc: 'With storage_backend = "multi": the backend of all buckets that name none, and of what the node keeps of itself. It uses the directory that the engine has without "multi".',
  }),
  durability: defineKey({
    type: word('synced', 'os'),
    default: 'synced',
    doc: 'When a write is acknowledged: "synced", once it survives a power cut; "os", once the operating system has it. Bucket properties override it.',
    extremes: ['os'],
  }),
  'storage.value_cache_size': defineKey({
    type: bytesOrAuto({ minimum: 0, maximum: 2 ** 30 }),
    default: 'auto',
    doc: 'Memory for values that were read or written lately, whatever the engine, and a quarter more to find them; rounded down to a power of two, taken as it fills. "auto": a thirty-second of what the machine or its container has, of 32 MB to 512 MB, shared by the nodes of a host; 32 MB for a node within another program. 0: none.',
    extremes: [0, 8192],
  }),
  'leveldb.cache_size': defineKey({
    type: bytes({ minimum: 2 ** 20, maximum: 2 ** 40 }),
    default: 32 * 2 ** 20,
    doc: 'Memory for blocks read from disk, uncompressed.',
    extremes: [2 ** 20],
  }),
  'leveldb.write_buffer_size': defineKey({
    type: bytes({ minimum: 64 * 2 ** 10, maximum: 2 ** 30 }),
    default: 16 * 2 ** 20,
    doc: 'Writes gathered in memory before they become a sorted file; up to two of them are held at once.',
    extremes: [64 * 2 ** 10],
  }),
  'leveldb.block_size': defineKey({
    type: bytes({ minimum: 1024, maximum: 16 * 2 ** 20 }),
    default: 4096,
    doc: 'The unit of reading from disk and of compression.',
    extremes: [1024, 65_536],
  }),
  'leveldb.compression': defineKey({
    type: flag(),
    default: true,
    doc: 'Whether blocks are compressed (Snappy).',
    extremes: [false],
  }),
  'leveldb.max_open_files': defineKey({
    type: integer({ minimum: 64, maximum: 1_000_000 }),
    default: 1000,
    doc: 'Files that the engine keeps open.',
    extremes: [64],
  }),
  'log_engine.segment_size': defineKey({
    type: bytes({ minimum: 64 * 2 ** 10, maximum: 2 ** 30 }),
    default: 64 * 2 ** 20,
    doc: 'Bytes of one file of the log: the unit of garbage collection. Each keeps a file open.',
    extremes: [64 * 2 ** 10],
  }),
  'log_engine.memtable_keys': defineKey({
    type: integer({ minimum: 64, maximum: 2 ** 20 }),
    default: 32_768,
    doc: 'Keys written since the index was last written out, some 200 bytes of memory each; up to twice as many at once.',
    extremes: [64],
  }),
  'log_engine.garbage_threshold': defineKey({
    type: integer({ minimum: 10, maximum: 90 }),
    default: 50,
    doc: 'Percentage of dead bytes from which a file of the log is collected. Less takes less space and more writing.',
    extremes: [10, 90],
  }),
  'log_engine.cache_size': defineKey({
    type: bytes({ minimum: 0, maximum: 2 ** 40 }),
    default: 32 * 2 ** 20,
    doc: 'Memory for blocks of the index.',
    extremes: [0],
  }),
  'log_engine.page_cache_size': defineKey({
    type: bytes({ minimum: 0, maximum: 2 ** 40 }),
    default: 64 * 2 ** 20,
    doc: 'Memory for pages of the log that are read again and again; it is taken as they are. The operating system has them too: what this saves is asking it.',
    extremes: [0, 64 * 2 ** 10],
  }),
} as const;
