/** What a node that is no member asks at a member's door, and what it is told. */
import type { Buffer } from 'node:buffer';
import { type NodeId, nodeIdOf } from '../../environment/index.ts';
import { FieldReader, FieldWriter, unreachable } from '../../stdx/index.ts';
import { decodeCommand, encodeCommand, type Member } from '../topology/index.ts';
import { readPlace, type StatePlace, writePlace } from './proposal.ts';

export type GuestRequest =
  /** Enter me among the members, as `joining`. Asking again changes nothing. */
  | { readonly kind: 'join'; readonly member: Member; readonly ringSize: number }
  /** The next piece of the state. `of` undefined: from the beginning. */
  | { readonly kind: 'fetch'; readonly of: StatePlace | undefined; readonly offset: number }
  /** I was a member of that cluster, and followed it up to `at`: am I still? */
  | {
      readonly kind: 'standing';
      readonly clusterId: string;
      readonly node: NodeId;
      readonly instance: string;
      readonly at: StatePlace;
    };

export type GuestReply =
  | { readonly kind: 'admitted'; readonly clusterId: string }
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
  /** Ask again, or somebody else. */
  | { readonly kind: 'unavailable'; readonly reason: string }
  | {
      readonly kind: 'state';
      readonly of: StatePlace;
      readonly offset: number;
      readonly total: number;
      readonly bytes: Buffer;
    }
  /** `unknown`: who was asked knows less than who asked. */
  | { readonly kind: 'standing'; readonly standing: 'member' | 'removed' | 'unknown' };

const version = 1;
const requestCodes = { join: 1, fetch: 2, standing: 3 } as const;
const replyCodes = { admitted: 1, refused: 2, unavailable: 3, state: 4, standing: 5 } as const;
const standings = ['member', 'removed', 'unknown'] as const;

export function encodeGuestRequest(request: GuestRequest): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(requestCodes[request.kind]);
  switch (request.kind) {
    case 'join':
      writer.bytes(encodeCommand({ kind: 'admit', member: request.member }));
      writer.number(request.ringSize);
      break;
    case 'fetch':
      writer.flag(request.of !== undefined);
      if (request.of !== undefined) writePlace(writer, request.of);
      writer.number(request.offset);
      break;
    case 'standing':
      writer.text(request.clusterId);
      writer.text(request.node);
      writer.text(request.instance);
      writePlace(writer, request.at);
      break;
    default:
      unreachable(request);
  }
  return writer.finish();
}

export function decodeGuestRequest(bytes: Uint8Array): GuestRequest | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const request = readRequest(reader);
  return reader.isWhole ? request : undefined;
}

function readRequest(reader: FieldReader): GuestRequest | undefined {
  switch (reader.number()) {
    case requestCodes.join: {
      const command = decodeCommand(reader.bytes());
      const ringSize = reader.number();
      return command?.kind === 'admit' ? { kind: 'join', member: command.member, ringSize } : undefined;
    }
    case requestCodes.fetch: {
      const of = reader.flag() ? readPlace(reader) : undefined;
      return { kind: 'fetch', of, offset: reader.number() };
    }
    case requestCodes.standing: {
      const clusterId = reader.text();
      const node = nodeIdOf(reader.text());
      return { kind: 'standing', clusterId, node, instance: reader.text(), at: readPlace(reader) };
    }
    default:
      return undefined;
  }
}

export function encodeGuestReply(reply: GuestReply): Buffer {
  const writer = new FieldWriter();
  writer.number(version);
  writer.number(replyCodes[reply.kind]);
  switch (reply.kind) {
    case 'admitted':
      writer.text(reply.clusterId);
      break;
    case 'refused':
      writer.text(reply.code);
      writer.text(reply.reason);
      break;
    case 'unavailable':
      writer.text(reply.reason);
      break;
    case 'state':
      writePlace(writer, reply.of);
      writer.number(reply.offset);
      writer.number(reply.total);
      writer.bytes(reply.bytes);
      break;
    case 'standing':
      writer.number(standings.indexOf(reply.standing));
      break;
    default:
      unreachable(reply);
  }
  return writer.finish();
}

export function decodeGuestReply(bytes: Uint8Array): GuestReply | undefined {
  const reader = new FieldReader(bytes);
  if (reader.number() !== version) return undefined;
  const reply = readReply(reader);
  return reader.isWhole ? reply : undefined;
}

function readReply(reader: FieldReader): GuestReply | undefined {
  switch (reader.number()) {
    case replyCodes.admitted:
      return { kind: 'admitted', clusterId: reader.text() };
    case replyCodes.refused:
      return { kind: 'refused', code: reader.text(), reason: reader.text() };
    case replyCodes.unavailable:
      return { kind: 'unavailable', reason: reader.text() };
    case replyCodes.state: {
      const of = readPlace(reader);
      const offset = reader.number();
      return { kind: 'state', of, offset, total: reader.number(), bytes: reader.bytes() };
    }
    case replyCodes.standing: {
      const standing = standings[reader.number()];
      return standing && { kind: 'standing', standing };
    }
    default:
      return undefined;
  }
}
