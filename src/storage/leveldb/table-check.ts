/**
 * Finds damaged blocks in LevelDB's table files by their checksums.
 *
 * LevelDB keeps a CRC-32C per block, but its Node binding has no way to ask that compaction verify it. Keys
 * that a damaged block shows out of order then fail an assertion in native code, which ends the process; and
 * as each start takes up the compaction again, it ends every time. A block whose type byte is none that
 * LevelDB knows is an ordinary error instead. So damaged blocks are marked with such a type.
 *
 * Source: LevelDB's doc/table_format.md and table/format.cc.
 */
import type { Buffer } from 'node:buffer';
import { uncompressSnappy } from './snappy.ts';

/** A block's type that LevelDB refuses: 0 is uncompressed, 1 is Snappy. */
export const DAMAGED_BLOCK_TYPE = 0xff;

const SNAPPY_TYPE = 1;
/** After each block: its type, and the checksum of block and type. */
const CHECKSUM_BYTES = 4;
const TRAILER_BYTES = 1 + CHECKSUM_BYTES;
const FOOTER_BYTES = 48;
const RESTART_BYTES = 4;
const MASK_DELTA = 0xa282ead8;

interface BlockHandle {
  readonly offset: number;
  readonly size: number;
}

export interface TableFindings {
  /** Offsets of the type bytes of damaged blocks. */
  readonly damagedTypes: readonly number[];
  readonly blocks: number;
}

/** Undefined: not even the footer can be read, which LevelDB notices itself. */
export function checkTable(table: Buffer): TableFindings | undefined {
  const handles = footerHandles(table);
  if (handles === undefined) return undefined;
  const [metaIndex, index] = handles;
  const damagedTypes: number[] = [];
  let blocks = 0;
  const check = (handle: BlockHandle): boolean => {
    blocks += 1;
    const isSound = isSoundBlock(table, handle);
    if (!isSound) damagedTypes.push(handle.offset + handle.size);
    return isSound;
  };
  // The one names the filter, which without a true checksum would hide keys; the other, the blocks of data.
  for (const names of [metaIndex, index]) {
    if (!check(names)) continue;
    for (const handle of indexHandles(contentsOf(table, names))) {
      // A sound index names blocks within the file; if not, it was not LevelDB that wrote it.
      if (!isWithin(table, handle)) return undefined;
      check(handle);
    }
  }
  return { damagedTypes, blocks };
}

function footerHandles(table: Buffer): readonly [BlockHandle, BlockHandle] | undefined {
  if (table.length < FOOTER_BYTES) return undefined;
  const reader = new HandleReader(table, table.length - FOOTER_BYTES, table.length);
  const handles = [reader.handle(), reader.handle()] as const;
  return handles.every((handle) => isWithin(table, handle)) ? handles : undefined;
}

function isWithin(table: Buffer, { offset, size }: BlockHandle): boolean {
  return offset + size + TRAILER_BYTES <= table.length;
}

function isSoundBlock(table: Buffer, { offset, size }: BlockHandle): boolean {
  const end = offset + size + 1;
  return maskedCrc32c(table, offset, end) === table.readUInt32LE(end);
}

function contentsOf(table: Buffer, { offset, size }: BlockHandle): Buffer {
  const bytes = table.subarray(offset, offset + size);
  return table[offset + size] === SNAPPY_TYPE ? uncompressSnappy(bytes) : bytes;
}

/** The values of the index block's entries: shared, unshared and value lengths, the key's rest, the value. */
function* indexHandles(block: Buffer): Generator<BlockHandle> {
  const restarts = block.readUInt32LE(block.length - RESTART_BYTES);
  const end = block.length - RESTART_BYTES * (restarts + 1);
  const reader = new HandleReader(block, 0, end);
  while (reader.at < end) {
    reader.varint();
    const keyRest = reader.varint();
    const valueBytes = reader.varint();
    reader.at += keyRest;
    const next = reader.at + valueBytes;
    yield reader.handle();
    reader.at = next;
  }
}

class HandleReader {
  at: number;
  readonly #bytes: Buffer;
  readonly #end: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  handle(): BlockHandle {
    return { offset: this.varint(), size: this.varint() };
  }

  /** Not exact beyond 2^53, where no file is. Past the end it is NaN, which is within nothing. */
  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (this.at >= this.#end) return Number.NaN;
      const byte = this.#bytes[this.at]!;
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }
}

const castagnoli: Int32Array = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  }
  return remainder;
});

/** As LevelDB stores it: rotated and shifted, so that a checksum of checksums is not degenerate. */
function maskedCrc32c(bytes: Buffer, start: number, end: number): number {
  let remainder = -1;
  for (let at = start; at < end; at += 1) {
    remainder = castagnoli[(remainder ^ bytes[at]!) & 0xff]! ^ (remainder >>> 8);
  }
  const crc = ~remainder >>> 0;
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}
