/** A content on its way through hooks: as they see it, and what they made of it. */
import { Buffer } from 'node:buffer';
import type { VersionVector } from '../../clocks/index.ts';
import { type ByteString, byteLiteral, bytesOfText } from '../../stdx/index.ts';
import {
  type Content,
  decodeContent,
  encodeContent,
  hasBoundedMetadata,
  type Link,
  type Pair,
} from '../../wire/index.ts';
import { withCanonicalIndexes } from '../index-entry.ts';
import type { ObjectAddress } from '../key-value-store.ts';
import type { KvError } from '../kv-error.ts';
import { jsonOfContent, jsonOfValues } from '../query/map-reduce/object-json.ts';

/** The object that is to be stored, with this as its only value. */
export function hookInput(address: ObjectAddress, context: VersionVector, content: Buffer): string {
  return jsonOfValues(address, context.encode().toString('base64'), [jsonOfContent(decodeContent(content))]);
}

/** A hook returned what is no object with one value. */
export class MalformedHookResult extends Error {
  override readonly name = 'MalformedHookResult';
}

/**
 * The content as the hooks left it. A value whose text they did not change keeps its bytes, which need not be text.
 * Throws `MalformedHookResult`.
 */
export function contentOfHook(before: Buffer, input: string, result: string): Buffer | KvError {
  if (result === input) return before;
  const [was, is] = [hookedValue(input), hookedValue(result)];
  const content = decodeContent(before);
  const value = is.data === was.data ? content.value : Buffer.from(is.data, 'utf8');
  const sameMetadata = JSON.stringify(is.metadata) === JSON.stringify(was.metadata);
  if (sameMetadata && value === content.value) return before;
  const changed: Content = sameMetadata
    ? { ...content, value }
    : withMetadata({ ...content, value }, is.metadata);
  return writable(changed);
}

/**
 * What a function made of several values: one, with its metadata. `base`: whatever it cannot say. A value whose text is
 * that of one of `contents` has its bytes. Throws `MalformedHookResult`.
 */
export function contentOfMerge(
  base: Content,
  contents: readonly Content[],
  result: string,
): Buffer | KvError {
  const { data, metadata } = hookedValue(result);
  const same = contents.find((content) => content.value.toString('utf8') === data);
  const value = same?.value ?? Buffer.from(data, 'utf8');
  return writable(withMetadata({ ...base, value }, metadata));
}

/** Throws `MalformedHookResult`. */
function writable(content: Content): Buffer | KvError {
  const encoded = encodeContent(content);
  if (!hasBoundedMetadata(encoded)) throw new MalformedHookResult('it has too many links or user metadata');
  const canonical = withCanonicalIndexes(encoded);
  return 'reason' in canonical ? { code: 'bad_index', problem: canonical } : canonical;
}

interface HookedValue {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly data: string;
}

function hookedValue(json: string): HookedValue {
  const object: unknown = JSON.parse(json);
  const values = isRecord(object) ? object.values : undefined;
  const value: unknown = Array.isArray(values) && values.length === 1 ? values[0] : undefined;
  const { metadata, data } = isRecord(value) ? value : {};
  if (!isRecord(metadata) || typeof data !== 'string') {
    throw new MalformedHookResult('it must return an object with one value, "fail", or {"fail": reason}');
  }
  return { metadata, data };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withMetadata(content: Content, metadata: Readonly<Record<string, unknown>>): Content {
  const text = (name: string): ByteString | undefined => {
    const value = metadata[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'string' ? bytesOfText(value) : malformed(name);
  };
  const { contentType: _, charset: __, contentEncoding: ___, ...rest } = content;
  const [contentType, charset, contentEncoding] = [
    text('content-type'),
    text('charset'),
    text('content-encoding'),
  ];
  return {
    ...rest,
    ...(contentType === undefined ? {} : { contentType }),
    ...(charset === undefined ? {} : { charset }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    links: linksOf(metadata.Links ?? []),
    userMeta: pairsOf('X-Riak-Meta', metadata['X-Riak-Meta'] ?? {}),
    indexes: pairsOf('index', metadata.index ?? {}),
  };
}

function malformed(name: string): never {
  throw new MalformedHookResult(`the metadata ${name} is malformed`);
}

function linksOf(links: unknown): readonly Link[] {
  if (!Array.isArray(links)) return malformed('Links');
  return links.map((link: unknown) => {
    const parts = Array.isArray(link) ? (link as readonly unknown[]) : [];
    if (parts.length !== 3 || !parts.every((part) => typeof part === 'string')) return malformed('Links');
    const [bucket, key, tag] = parts.map((part) => bytesOfText(part as string));
    return { bucket: bucket!, key: key!, tag: tag! };
  });
}

/** Of an index with several terms the value is a list. */
function pairsOf(what: string, members: unknown): readonly Pair[] {
  if (!isRecord(members)) return malformed(what);
  return Object.entries(members).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((one) => {
      if (typeof one !== 'string' && typeof one !== 'number') return malformed(what);
      const text = typeof one === 'number' ? byteLiteral(String(one)) : bytesOfText(one);
      return { key: bytesOfText(name), value: text };
    }),
  );
}
