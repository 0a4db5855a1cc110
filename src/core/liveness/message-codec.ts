/**
 * Messages as bytes: a version, a code, the sender's epoch, then the fields in the order of `swim-message.ts`.
 * Numbers are varints, but for hashes, which have four bytes. Whatever is not exactly that is refused.
 */
import { Buffer } from 'node:buffer';
import type { NodeId } from '../../environment/index.ts';
import { readVarint, unreachable, varintSize, writeVarint } from '../../stdx/index.ts';
import {
  accusersMax,
  incarnationMax,
  type Rumour,
  type RumourStatus,
  type SwimBody,
  type SwimMessage,
  type SwimMessageKind,
  withHeader,
} from './swim-message.ts';

/** A message, and how far its sender follows the cluster log. */
export interface LivenessEnvelope {
  readonly generation: number;
  readonly epoch: number;
  readonly message: SwimMessage;
}

const version = 1;
const hashBytes = 4;
/** A node with a longer name cannot take part. */
export const livenessNameBytesMax = 255;

const u32Max = 2 ** 32 - 1;
const noRumours: readonly Rumour[] = [];
const refusedFlag = 0x80;

/** Never reused for something else. */
const kindCodes: { readonly [K in SwimMessageKind]: number } = {
  ping: 1,
  ack: 2,
  'ping-request': 3,
  'indirect-ack': 4,
  nack: 5,
  gossip: 6,
};
const kinds: ReadonlyMap<number, SwimMessageKind> = new Map(
  (Object.keys(kindCodes) as SwimMessageKind[]).map((kind) => [kindCodes[kind], kind]),
);

const statusCodes: { readonly [S in RumourStatus]: number } = { alive: 1, suspect: 2, dead: 3 };
const statuses: ReadonlyMap<number, RumourStatus> = new Map(
  (Object.keys(statusCodes) as RumourStatus[]).map((status) => [statusCodes[status], status]),
);

/** Exact. */
export function envelopeBytes({ generation, epoch, message }: LivenessEnvelope): number {
  let bytes = 2 + varintSize(generation) + varintSize(epoch);
  bytes += varintSize(message.incarnation) + varintSize(message.attributes) + hashBytes;
  if (message.kind !== 'gossip') bytes += varintSize(message.sequence);
  if ('target' in message) bytes += nameSize(message.target);
  if (message.kind === 'nack') bytes += 1;
  bytes += varintSize(message.rumours.length);
  for (const rumour of message.rumours) bytes += rumourBytes(rumour);
  return bytes;
}

/** Exact. */
export function rumourBytes({ node, incarnation, attributes, accusers }: Rumour): number {
  const numbers = varintSize(incarnation) + varintSize(attributes);
  return nameSize(node) + 1 + numbers + 1 + accusers.length * hashBytes;
}

/** Writes `envelopeBytes(envelope)` bytes into `into` from `at` on. */
export function writeEnvelope(envelope: LivenessEnvelope, into: Buffer, at: number): void {
  const writer = new EnvelopeWriter(into, at);
  const { generation, epoch, message } = envelope;
  writer.byte(version);
  writer.byte(kindCodes[message.kind]);
  writer.number(generation);
  writer.number(epoch);
  writer.number(message.incarnation);
  writer.number(message.attributes);
  writer.hash(message.digest);
  if (message.kind !== 'gossip') writer.number(message.sequence);
  if ('target' in message) writer.name(message.target);
  if (message.kind === 'nack') writer.byte(message.isRefused ? 1 : 0);
  writer.number(message.rumours.length);
  for (const rumour of message.rumours) writer.rumour(rumour);
}

/** Undefined if the bytes are no message of a version that this code knows. Keeps nothing of `bytes`. */
export function readEnvelope(bytes: Buffer): LivenessEnvelope | undefined {
  const reader = new EnvelopeReader(bytes);
  if (reader.byte() !== version) return undefined;
  const kind = kinds.get(reader.byte());
  if (kind === undefined) return undefined;
  const generation = reader.number(Number.MAX_SAFE_INTEGER);
  const epoch = reader.number(Number.MAX_SAFE_INTEGER);
  const incarnation = reader.number(incarnationMax);
  if (incarnation === 0) return undefined;
  const attributes = reader.number(u32Max);
  const digest = reader.hash();
  const body = readBody(reader, kind);
  const rumours = reader.rumours();
  if (!reader.isWhole) return undefined;
  const message = withHeader(body, { incarnation, attributes, digest, rumours });
  return { generation, epoch, message };
}

/** Properties are evaluated in the order in which they stand: that of the fields. */
function readBody(reader: EnvelopeReader, kind: SwimMessageKind): SwimBody {
  switch (kind) {
    case 'ping':
    case 'ack':
      return { kind, sequence: reader.sequence() };
    case 'ping-request':
    case 'indirect-ack':
      return { kind, sequence: reader.sequence(), target: reader.name() };
    case 'nack':
      return { kind, sequence: reader.sequence(), target: reader.name(), isRefused: reader.flag() };
    case 'gossip':
      return { kind };
    default:
      return unreachable(kind);
  }
}

function nameSize(name: string): number {
  return 1 + Buffer.byteLength(name);
}

class EnvelopeWriter {
  readonly #into: Buffer;
  #at: number;

  constructor(into: Buffer, at: number) {
    this.#into = into;
    this.#at = at;
  }

  byte(value: number): void {
    this.#at = this.#into.writeUInt8(value, this.#at);
  }

  number(value: number): void {
    this.#at = writeVarint(this.#into, this.#at, value);
  }

  hash(value: number): void {
    this.#at = this.#into.writeUInt32LE(value, this.#at);
  }

  name(value: string): void {
    const length = this.#into.write(value, this.#at + 1);
    this.byte(length);
    this.#at += length;
  }

  rumour({ node, status, incarnation, attributes, accusers, isRefused }: Rumour): void {
    this.name(node);
    this.byte(statusCodes[status] | (isRefused ? refusedFlag : 0));
    this.number(incarnation);
    this.number(attributes);
    this.byte(accusers.length);
    for (const accuser of accusers) this.hash(accuser);
  }
}

/** After the first thing that is not well formed `isWhole` is false, and what was read means nothing. */
class EnvelopeReader {
  readonly #bytes: Buffer;
  #at = 0;
  #isBroken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isWhole(): boolean {
    return !this.#isBroken && this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.#has(1) ? this.#bytes[this.#at++]! : 0;
  }

  flag(): boolean {
    const value = this.byte();
    if (value > 1) this.#isBroken = true;
    return value === 1;
  }

  hash(): number {
    if (!this.#has(hashBytes)) return 0;
    this.#at += hashBytes;
    return this.#bytes.readUInt32LE(this.#at - hashBytes);
  }

  number(most: number): number {
    const value = readVarint(this.#bytes, this.#at, this.#bytes.length);
    if (value < 0 || value > most) {
      this.#isBroken = true;
      return 0;
    }
    this.#at += varintSize(value);
    return value;
  }

  sequence(): number {
    return this.number(Number.MAX_SAFE_INTEGER);
  }

  name(): NodeId {
    const length = this.byte();
    if (length === 0 || !this.#has(length)) {
      this.#isBroken = true;
      return '' as NodeId;
    }
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    const name = bytes.toString('utf8');
    // Malformed UTF-8 reads as something that would be written otherwise.
    if (Buffer.byteLength(name) !== length || name.includes('\uFFFD')) this.#isBroken = true;
    return name as NodeId;
  }

  /** Each takes at least six bytes, so a false count cannot make the list long. */
  rumours(): readonly Rumour[] {
    const count = this.number(u32Max);
    if (count === 0) return noRumours;
    const rumours: Rumour[] = [];
    for (let i = 0; i < count && !this.#isBroken; i += 1) {
      const rumour = this.#rumour();
      if (rumour !== undefined) rumours.push(rumour);
    }
    return rumours;
  }

  #rumour(): Rumour | undefined {
    const node = this.name();
    const head = this.byte();
    const status = statuses.get(head & ~refusedFlag);
    const incarnation = this.number(incarnationMax);
    const attributes = this.number(u32Max);
    const count = this.byte();
    if (count > accusersMax) this.#isBroken = true;
    const accusers: number[] = [];
    for (let i = 0; i < count && !this.#isBroken; i += 1) accusers.push(this.hash());
    if (status === undefined || (status === 'alive' && incarnation === 0)) this.#isBroken = true;
    if (this.#isBroken || status === undefined) return undefined;
    return { node, status, incarnation, attributes, accusers, isRefused: (head & refusedFlag) !== 0 };
  }

  #has(count: number): boolean {
    if (this.#isBroken || this.#bytes.length - this.#at < count) this.#isBroken = true;
    return !this.#isBroken;
  }
}
