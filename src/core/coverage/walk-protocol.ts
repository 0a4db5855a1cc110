/**
 * What a coverage query asks of a node, and what it hears: a slice of what some of its partitions hold, in order, and
 * where the next slice begins. Nothing is kept at the node between two slices, so that nothing leaks when the
 * asker goes away, and another replica can go on where one that was lost had stopped.
 */
import { Buffer } from 'node:buffer';
import { type ByteString, byteStringOf, readVarint, varintSize, writeVarint } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import type { VnodeCodec } from '../vnode/index.ts';

export interface WalkStep {
  readonly partition: Partition;
  /** Report only what has its first partition among these; absent: all that the partition holds. */
  readonly firstPartitions?: ReadonlySet<Partition>;
}

export interface WalkRequest {
  /** The service's own form. */
  readonly query: ByteString;
  /** Walked side by side and merged; all of the same node. */
  readonly steps: readonly WalkStep[];
  /** Everything up to and with this item has been reported. */
  readonly after?: ByteString;
  /** The asker takes no more at a time; the node may stop earlier. */
  readonly itemsMax: number;
  /** Only how many items there are is wanted. */
  readonly counts: boolean;
}

export type WalkReply =
  | {
      readonly kind: 'slice';
      /** In order, each once; none if they are only counted. */
      readonly items: readonly ByteString[];
      readonly counted: number;
      /** Everything up to here is in this slice or those before; absent: nothing is left. */
      readonly after?: ByteString;
    }
  /** The node does not serve one of the partitions. */
  | { readonly kind: 'moved'; readonly epoch: number }
  | { readonly kind: 'failed'; readonly reason: WalkFailure; readonly message: string };

/** `refused`: the query itself is at fault, and no other node will take it. */
export type WalkFailure = 'unreachable' | 'overload' | 'timeout' | 'storage' | 'refused';

const failures: readonly WalkFailure[] = ['unreachable', 'overload', 'timeout', 'storage', 'refused'];
const replyKind = { slice: 1, moved: 2, failed: 3 } as const;
const partitionsMax = 1024;

export const walkCodec: VnodeCodec<WalkRequest, WalkReply> = {
  requestBytes({ query, steps, after, itemsMax }) {
    let bytes = 1 + textBytes(query) + optionalBytes(after) + varintSize(itemsMax) + varintSize(steps.length);
    for (const { partition, firstPartitions } of steps) {
      bytes += varintSize(partition) + varintSize(firstPartitions?.size ?? 0);
      for (const first of firstPartitions ?? []) bytes += varintSize(first);
    }
    return bytes;
  },
  writeRequest({ query, steps, after, itemsMax, counts }, into, start) {
    into[start] = counts ? 1 : 0;
    let at = writeText(into, start + 1, query);
    at = writeOptional(into, at, after);
    at = writeVarint(into, at, itemsMax);
    at = writeVarint(into, at, steps.length);
    for (const { partition, firstPartitions } of steps) {
      at = writeVarint(into, at, partition);
      at = writeVarint(into, at, firstPartitions?.size ?? 0);
      for (const first of firstPartitions ?? []) at = writeVarint(into, at, first);
    }
  },
  readRequest(body) {
    const reader = new BodyReader(body);
    const counts = reader.number();
    const query = reader.text();
    const after = reader.optional();
    const itemsMax = reader.number();
    const steps = readSteps(reader);
    if (steps === undefined || !reader.isAtEnd || counts > 1 || itemsMax < 1) return undefined;
    return { query, steps, itemsMax, counts: counts === 1, ...(after === undefined ? {} : { after }) };
  },
  replyBytes(reply) {
    switch (reply.kind) {
      case 'slice': {
        let bytes = 1 + varintSize(reply.counted) + optionalBytes(reply.after);
        bytes += varintSize(reply.items.length);
        for (const item of reply.items) bytes += textBytes(item);
        return bytes;
      }
      case 'moved':
        return 1 + varintSize(reply.epoch);
      default:
        return 2 + Buffer.byteLength(reply.message, 'utf8');
    }
  },
  writeReply(reply, into, at) {
    into[at] = replyKind[reply.kind];
    if (reply.kind === 'slice') {
      let next = writeVarint(into, at + 1, reply.counted);
      next = writeOptional(into, next, reply.after);
      next = writeVarint(into, next, reply.items.length);
      for (const item of reply.items) next = writeText(into, next, item);
    } else if (reply.kind === 'moved') writeVarint(into, at + 1, reply.epoch);
    else {
      into[at + 1] = failures.indexOf(reply.reason);
      into.write(reply.message, at + 2, 'utf8');
    }
  },
  readReply(body) {
    if (body.length < 2) return undefined;
    if (body[0] === replyKind.failed) {
      const reason = failures[body[1]!];
      return reason && { kind: 'failed', reason, message: body.toString('utf8', 2) };
    }
    const reader = new BodyReader(body, 1);
    if (body[0] === replyKind.moved) {
      const epoch = reader.number();
      return reader.isAtEnd ? { kind: 'moved', epoch } : undefined;
    }
    return body[0] === replyKind.slice ? readSlice(reader) : undefined;
  },
  isLast: () => true,
  unanswered: (silence) => {
    const reason = silence === 'unheard' ? 'overload' : silence;
    return { kind: 'failed', reason, message: reason };
  },
  moved: (epoch) => ({ kind: 'moved', epoch }),
};

/** Undefined: there are none, or too many. */
function readSteps(reader: BodyReader): WalkStep[] | undefined {
  const count = reader.number();
  if (count > partitionsMax || count < 1) return undefined;
  const steps: WalkStep[] = [];
  for (let i = 0; i < count && reader.isWhole; i += 1) {
    const partition = reader.number() as Partition;
    const firsts = reader.number();
    if (partition >= partitionsMax || firsts > partitionsMax) return undefined;
    const firstPartitions = new Set<Partition>();
    for (let f = 0; f < firsts && reader.isWhole; f += 1) firstPartitions.add(reader.number() as Partition);
    steps.push({ partition, ...(firsts > 0 ? { firstPartitions } : {}) });
  }
  return steps;
}

function readSlice(reader: BodyReader): WalkReply | undefined {
  const counted = reader.number();
  const after = reader.optional();
  const count = reader.number();
  const items: ByteString[] = [];
  for (let i = 0; i < count && reader.isWhole; i += 1) items.push(reader.text());
  if (!reader.isAtEnd) return undefined;
  return { kind: 'slice', items, counted, ...(after === undefined ? {} : { after }) };
}

function textBytes(text: ByteString): number {
  return varintSize(text.length) + text.length;
}

function writeText(into: Buffer, at: number, text: ByteString): number {
  const start = writeVarint(into, at, text.length);
  return start + into.write(text, start, 'latin1');
}

/** Length and one, so that 0 says that there is none. */
function optionalBytes(text: ByteString | undefined): number {
  return text === undefined ? 1 : varintSize(text.length + 1) + text.length;
}

function writeOptional(into: Buffer, at: number, text: ByteString | undefined): number {
  if (text === undefined) return writeVarint(into, at, 0);
  const start = writeVarint(into, at, text.length + 1);
  return start + into.write(text, start, 'latin1');
}

/** Reads on in a body that may be malformed: then `isWhole` becomes false, and what is read is empty. */
class BodyReader {
  readonly #body: Buffer;
  #at: number;
  isWhole = true;

  constructor(body: Buffer, at = 0) {
    this.#body = body;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.isWhole && this.#at === this.#body.length;
  }

  number(): number {
    const value = this.isWhole ? readVarint(this.#body, this.#at, this.#body.length) : -1;
    if (value < 0) {
      this.isWhole = false;
      return 0;
    }
    this.#at += varintSize(value);
    return value;
  }

  text(): ByteString {
    return this.#take(this.number());
  }

  optional(): ByteString | undefined {
    const length = this.number();
    return length === 0 ? undefined : this.#take(length - 1);
  }

  #take(length: number): ByteString {
    const end = this.#at + length;
    if (end > this.#body.length) this.isWhole = false;
    if (!this.isWhole) return '' as ByteString;
    const text = byteStringOf(this.#body, this.#at, end);
    this.#at = end;
    return text;
  }
}
