export { DecodeError } from './decode-error.ts';
export { ProtoReader } from './proto-reader.ts';
export { ProtoWriter, varintSize, writeVarint } from './proto-writer.ts';
export {
  type Content,
  ContentError,
  decodeContent,
  encodeContent,
  headOfContent,
  isDeletedContent,
  type Link,
  lastModifiedOfContent,
  type Pair,
  stampContent,
  tombstoneContent,
  validateContent,
} from './rpb-content.ts';
