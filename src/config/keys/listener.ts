import { defineKey } from '../key-definition.ts';
import { address, bytes, duration, either, integer } from '../value-type.ts';

export const listenerKeys = {
  'listener.http.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8098 },
    doc: 'Where the HTTP API listens. Administration is served here too, to callers on the same machine only.',
  }),
  'listener.protobuf.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8087 },
    doc: 'Where the Protocol Buffers API listens.',
  }),
  'listener.cluster.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8099 },
    doc: 'Where this node listens to the other nodes of its cluster.',
  }),
  'protobuf.backlog': defineKey({
    type: integer({ minimum: 1, maximum: 65_535 }),
    default: 128,
    doc: 'Protocol Buffers connections that the operating system keeps waiting to be accepted.',
  }),
  'protobuf.connections.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 20_000,
    doc: 'Protocol Buffers connections open at once; one more is closed as soon as it opens.',
    extremes: [4],
  }),
  'protobuf.frame.maximum': defineKey({
    type: bytes({ minimum: 4096, maximum: 2 ** 30 }),
    default: 64 * 2 ** 20,
    doc: 'The largest Protocol Buffers message accepted. Keep it above object.size.maximum.',
    extremes: [51 * 2 ** 20],
  }),
  'protobuf.pipeline.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 65_536 }),
    default: 256,
    doc: 'Requests of one Protocol Buffers connection that are worked on at once; the rest wait in the socket.',
    extremes: [1],
  }),
  'http.connections.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 20_000,
    doc: 'HTTP connections open at once; one more is closed as soon as it opens.',
    extremes: [4],
  }),
  'http.headers.size.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 16 * 2 ** 20 }),
    default: 2 ** 20,
    doc: 'The request line and headers of one HTTP request together. Index entries and user metadata travel in headers.',
  }),
  'http.headers.maximum': defineKey({
    type: integer({ minimum: 10, maximum: 100_000 }),
    default: 1000,
    doc: 'Headers in one HTTP request.',
  }),
  'http.keep_alive': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long an idle HTTP connection stays open.',
  }),
  'http.receive_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 300_000,
    doc: 'How long a client may take to send one HTTP request.',
  }),
} as const;
