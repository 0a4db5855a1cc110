/**
 * Frames between nodes: length (uint32, big-endian, counts the code and the body), code, body: the outer form
 * that Riak's protocol has too, so that one reader cuts both.
 *
 * A frame of messages holds those that one turn of the loop queued for a peer and class: a CRC-32 of all behind it,
 * how long it waited here for the peer to take it (uint32, milliseconds), then each message: length
 * (uint32), channel (1 byte), body. One checksum a frame costs less than one a message; TCP's own lets one damaged
 * segment in 65,536 pass (Stone and Partridge, SIGCOMM 2000). Under TLS, which checks, the CRC is 0.
 */
import { Buffer } from 'node:buffer';

/** 1 to 5 are the handshake's (wire). */
export const frameKind = {
  hello: 1,
  challenge: 2,
  proof: 3,
  welcome: 4,
  refusal: 5,
  messages: 6,
  ping: 7,
  pong: 8,
  guestRequest: 9,
  guestReply: 10,
} as const;

export const frameHeadBytes = 5;
/** CRC and waiting time. */
export const messagesHeadBytes = 8;
export const messageHeadBytes = 5;

/** A frame without a body. */
export function bareFrame(kind: number): Buffer {
  return Buffer.from([0, 0, 0, 1, kind]);
}

export function frameWith(kind: number, body: Buffer): Buffer {
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUInt32BE(body.length + 1);
  head[frameHeadBytes - 1] = kind;
  return Buffer.concat([head, body]);
}
