/**
 * A message between replicas as it travels on the channel `consensus`: with the generation, so that groups
 * before and after a `recover` never hear one another, and with the exact replicas that it is from and for.
 */
import type { Buffer } from 'node:buffer';
import { decodeMessage, encodeMessage, type Message, type PeerId, peerIdOf } from '../../consensus/index.ts';
import { FieldReader, FieldWriter } from '../../stdx/index.ts';

export interface ConsensusFrame {
  readonly generation: number;
  readonly from: PeerId;
  readonly to: PeerId;
  readonly message: Message;
}

const version = 1;

export function encodeConsensusFrame({ generation, from, to, message }: ConsensusFrame): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(generation);
  writer.text(from);
  writer.text(to);
  writer.bytes(encodeMessage(message));
  return writer.finish();
}

/** Undefined if the bytes are no frame of a version that this code knows. */
export function decodeConsensusFrame(bytes: Uint8Array): ConsensusFrame | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const generation = reader.number();
  const from = peerIdOf(reader.text());
  const to = peerIdOf(reader.text());
  const message = decodeMessage(reader.bytes());
  return reader.isWhole && message !== undefined ? { generation, from, to, message } : undefined;
}
