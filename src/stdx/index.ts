export { AssertionError, assert, unreachable } from './assert.ts';
export {
  type ByteString,
  bufferOf,
  byteLiteral,
  byteStringOf,
  bytesOfText,
  textOfBytes,
} from './byte-string.ts';
