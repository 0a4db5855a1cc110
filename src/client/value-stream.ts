/** Values in pieces: read and written without ever being whole in memory. */
import { Buffer } from 'node:buffer';
import type { Content } from '../wire/index.ts';
import type { ByteRange, ReadOptions } from './call-options.ts';
import { bytesOfContext, contextOfBytes } from './context.ts';
import type { Bucket, Merge, PutOptions } from './database.ts';
import { type Entry, siblingOf } from './entry.ts';
import { HaleError } from './hale-error.ts';
import { taken } from './query/index-query.ts';
import { latestOf } from './resolve-siblings.ts';
import type { ObjectName, StreamedValue, Transport, WriteCondition } from './transport.ts';
import type { ValueSource } from './value-source.ts';

/** Of several siblings one is chosen and asked for; so often it may be gone by then. */
const choicesMax = 4;

export interface ReadStreamOptions extends ReadOptions {
  /** Only these bytes. */
  readonly range?: ByteRange;
}

export interface WriteStreamOptions extends PutOptions {
  /** Bytes that the source will give, if that is known: another number of them is an error. */
  readonly length?: number;
}

/**
 * A value that is being read, with all that is known of it. It is read once, by `for await`, and holds a connection until it
 * was read, the loop was left, or it was closed.
 */
export interface ValueStream
  extends Omit<Entry<unknown>, 'value'>,
    AsyncIterable<Uint8Array>,
    AsyncDisposable {
  /** Of the whole value, whatever the range. */
  readonly bytes: number;
  /** For who does not read it, or not to its end. */
  close(): Promise<void>;
}

export interface BytesBucket extends Bucket<Uint8Array> {
  /**
   * The value in pieces, at the pace of whoever reads them. Undefined: nothing is stored. The last piece comes when the whole
   * value was found to be what was written; a stream that breaks off rejects. Siblings: as the bucket's `merge` says, which
   * must be `latest`.
   */
  readStream(key: string, options?: ReadStreamOptions): Promise<ValueStream | undefined>;
  /**
   * Stores what the source gives, read as fast as it is stored. Resolves when all of it is stored as `w` and `dw` ask; until
   * then the key shows what it showed before, and it goes on to if the source or anything else fails. `timeoutMs` is for the
   * whole, if it is given; else the node has the database's time for each step, and the source as long as it likes.
   */
  writeStream(key: string, source: ValueSource, options?: WriteStreamOptions): Promise<void>;
}

export async function readStream(
  transport: Transport,
  name: ObjectName,
  key: string,
  options: ReadStreamOptions,
  merge: Merge<Uint8Array> | undefined,
): Promise<ValueStream | undefined> {
  const { range } = options;
  if (range !== undefined) checkRange(range);
  let vtag: Content['vtag'];
  for (let choice = 0; choice < choicesMax; choice += 1) {
    const found = await transport.readValue(name, { ...options, vtag });
    if (found === undefined) return undefined;
    // Values are left out, so that siblings that say the same cannot be told from others here.
    const live = found.object.siblings.filter(({ deleted }) => !deleted);
    if (live.length === 0) {
      await found.pieces.close();
      return undefined;
    }
    if (found.bytes !== undefined) {
      const content = vtag === undefined ? live[0]! : live.find((one) => one.vtag === vtag)!;
      return streamOf(key, found, content, found.bytes, range);
    }
    await found.pieces.close();
    if (live.length > 1 && merge !== 'latest') {
      const text = `${live.length} concurrent values are stored under "${key}", and only \`merge: 'latest'\` can choose one to stream`;
      throw new HaleError('siblings', text);
    }
    vtag = latestOf(live).vtag;
  }
  throw new HaleError(
    'contended',
    `"${key}" was written again each time that one of its siblings was chosen`,
  );
}

async function streamOf(
  key: string,
  found: StreamedValue,
  content: Content,
  bytes: number,
  range: ByteRange | undefined,
): Promise<ValueStream> {
  const { from, to } = { from: 0, to: bytes, ...range };
  if (from > bytes) {
    await found.pieces.close();
    throw new HaleError('invalid_argument', `a range from ${from} of a value of ${bytes} bytes`);
  }
  const { value: _, ...sibling } = siblingOf(content, undefined);
  const close = (): Promise<void> => found.pieces.close();
  return {
    key,
    ...sibling,
    context: contextOfBytes(found.object.context),
    bytes,
    close,
    [Symbol.asyncDispose]: close,
    [Symbol.asyncIterator]: () => counted(found, Math.min(to, bytes) - from),
  };
}

/** Who reads must not take a part for the whole. */
async function* counted(found: StreamedValue, expected: number): AsyncGenerator<Uint8Array, void, undefined> {
  let count = 0;
  for await (const piece of taken(found.pieces, (one) => [one])) {
    count += piece.length;
    yield piece;
  }
  if (count === expected) return;
  throw new HaleError('protocol', `the stream ended after ${count} bytes of ${expected}`);
}

function checkRange({ from, to }: ByteRange): void {
  const isRight = Number.isSafeInteger(from) && from >= 0;
  if (isRight && (to === undefined || (Number.isSafeInteger(to) && to >= from))) return;
  throw new HaleError(
    'invalid_argument',
    `a range is from a byte to one behind it, not from ${from} to ${to}`,
  );
}

export async function writeStream(
  transport: Transport,
  { key, ...bucket }: ObjectName,
  source: ValueSource,
  content: Omit<Content, 'value'>,
  options: WriteStreamOptions,
): Promise<void> {
  const { ifAbsent, ifUnchanged, length, ...rest } = options;
  if (ifAbsent === true && ifUnchanged !== undefined) {
    throw new HaleError('invalid_argument', 'a put is either ifAbsent or ifUnchanged');
  }
  if (length !== undefined && !(Number.isSafeInteger(length) && length >= 0)) {
    throw new HaleError('invalid_argument', `a stream has a number of bytes, not ${length}`);
  }
  const context = ifUnchanged ?? options.context;
  const condition: WriteCondition | undefined =
    ifAbsent === true ? 'absent' : ifUnchanged === undefined ? undefined : 'unchanged';
  await transport.writeValue(bucket, key, { ...content, value: Buffer.alloc(0) }, source, {
    ...rest,
    condition,
    context: context && bytesOfContext(context),
    ...(length === undefined ? {} : { length }),
  });
}
