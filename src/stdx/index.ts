export { AssertionError, assert, unreachable } from './assert.ts';
export {
  type ByteString,
  bufferOf,
  byteLiteral,
  byteStringOf,
  bytesOfText,
  textOfBytes,
  writeByteString,
} from './byte-string.ts';
export { crc32 } from './crc32.ts';
export { type Ending, endInTurn } from './endings.ts';
export { FieldReader } from './field-reader.ts';
export { FieldWriter } from './field-writer.ts';
export { Heap } from './heap.ts';
export { jsonNestingOf } from './json-nesting.ts';
export { OrderedMap, type OrderedMapSnapshot, type OrderedMapWalker } from './ordered-map.ts';
export { SlotTable } from './slot-table.ts';
export { readVarint, varintSize, writeVarint } from './varint.ts';
