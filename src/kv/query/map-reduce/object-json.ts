/** An object as JavaScript functions see it: Riak's form. Values are text: bytes that are not UTF-8 show as U+FFFD. */
import { type ByteString, textOfBytes } from '../../../stdx/index.ts';
import type { Content, Pair } from '../../../wire/index.ts';
import type { ObjectAddress } from '../../key-value-store.ts';
import type { VersionedObject } from '../../object/index.ts';
import { jsonOfName } from './item.ts';

/** `contents`: the object's, if they are decoded already. */
export function jsonOfObject(
  address: ObjectAddress,
  object: VersionedObject,
  contents = object.contents(),
): string {
  const values = contents.map(jsonOfContent);
  const vclock = object.context.toString('base64');
  return jsonOfValues(address, vclock, values);
}

export function jsonOfValues(
  { bucketType, bucket, key }: ObjectAddress,
  vclock: string,
  values: readonly string[],
): string {
  const names = `"bucket_type":${jsonOfName(bucketType)},"bucket":${jsonOfName(bucket)},"key":${jsonOfName(key)}`;
  return `{${names},"vclock":"${vclock}","values":[${values.join(',')}]}`;
}

/** Characters that JSON makes of one: `\u0000`. */
export const escapeLengthMax = 6;
/** Of the names of members, and of what is no text. */
const namesLengthMax = 1024;

/** Characters that `jsonOfObject` has at most, its names not counted. */
export function jsonLengthMaxOf(object: VersionedObject, contents: readonly Content[]): number {
  const values = contents.map(({ value }) => value);
  const valueBytes = values.reduce((sum, { length }) => sum + length, 0);
  const restLength = escapeLengthMax * (object.sizeBytes - valueBytes) + values.length * namesLengthMax;
  return values.reduce((sum, value) => sum + escapedLengthMax(value), restLength);
}

/** Control characters are written as six, or two, quotes and backslashes as two. */
function escapedLengthMax(value: Buffer): number {
  let length = value.length;
  for (let at = 0; at < value.length; at += 1) {
    const byte = value[at]!;
    if (byte < 0x20) length += escapeLengthMax - 1;
    else if (byte === 0x22 || byte === 0x5c) length += 1;
  }
  return length;
}

export function jsonOfContent(content: Content): string {
  const data = JSON.stringify(content.value.toString('utf8'));
  return `{"metadata":${JSON.stringify(metadataOf(content))},"data":${data}}`;
}

function metadataOf(content: Content): Record<string, unknown> {
  const text = (bytes: ByteString | undefined) => (bytes === undefined ? undefined : textOfBytes(bytes));
  const micros = content.lastModifiedMicros;
  return {
    'content-type': text(content.contentType),
    charset: text(content.charset),
    'content-encoding': text(content.contentEncoding),
    'X-Riak-VTag': text(content.vtag),
    'X-Riak-Last-Modified': micros === undefined ? undefined : new Date(micros / 1000).toUTCString(),
    'X-Riak-Meta': membersOf(content.userMeta),
    Links: content.links.map(({ bucket, key, tag }) => [bucket, key, tag].map(textOfBytes)),
    index: indexesOf(content.indexes),
    'X-Riak-Deleted': content.deleted ? 'true' : undefined,
  };
}

function membersOf(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ key, value }) => [textOfBytes(key), textOfBytes(value)]));
}

/** Of several terms of one index: a list. */
function indexesOf(pairs: readonly Pair[]): Record<string, unknown> {
  const terms = new Map<string, unknown[]>();
  for (const { key, value } of pairs) {
    const name = textOfBytes(key);
    const term = name.endsWith('_int') ? Number(value) : textOfBytes(value);
    const known = terms.get(name);
    if (known === undefined) terms.set(name, [term]);
    else known.push(term);
  }
  return Object.fromEntries([...terms].map(([name, of]) => [name, of.length === 1 ? of[0] : of]));
}
