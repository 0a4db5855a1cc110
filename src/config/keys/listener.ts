import { defineKey } from '../key-definition.ts';
import { address, bytes, duration, either, integer } from '../value-type.ts';

export const listenerKeys = {
  'listener.http.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8098 },
    doc: 'Where the HTTP API listens. Administration is served here too, to callers on the same machine only.',
    flag: { name: '--http', placeholder: 'HOST:PORT' },
  }),
  'listener.protobuf.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8087 },
    doc: 'Where the Protocol Buffers API listens.',
    flag: { name: '--pb', placeholder: 'HOST:PORT' },
  }),
  'listener.cluster.internal': defineKey({
    type: either(address(), 'off'),
    default: { host: '127.0.0.1', port: 8099 },
    doc: 'Where this node listens to the other nodes of its cluster; off: it stays alone.',
    flag: { name: '--cluster', placeholder: 'HOST:PORT' },
  }),
  'listener.own.internal': defineKey({
    type: either(address(), 'off'),
    default: 'off',
    doc: 'A second HTTP listener, for operators of this very node, where several nodes of a machine share the public one.',
  }),
  'cluster.advertised': defineKey({
    type: either(address(), 'listener'),
    default: 'listener',
    doc: 'Where other nodes reach this one, if that is not where it listens.',
  }),
  'protobuf.connections.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 20_000,
    doc: 'Protocol Buffers connections open at once; one more is closed as soon as it opens.',
    extremes: [4],
  }),
  'protobuf.held.maximum': defineKey({
    type: bytes({ minimum: 2 ** 20, maximum: 2 ** 40 }),
    default: 512 * 2 ** 20,
    doc: 'Bytes of Protocol Buffers requests that are still arriving, all connections together, and as many of replies that clients do not take. Beyond it the connection that brings more is closed as overload; a client that takes nothing is cut off, and while there is none, reads are refused.',
    extremes: [2 ** 20],
  }),
  'protobuf.stalled_write_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long a client may take no byte of its Protocol Buffers replies before it is cut off.',
  }),
  'protobuf.frame.maximum': defineKey({
    type: bytes({ minimum: 4096, maximum: 2 ** 30 }),
    default: 64 * 2 ** 20,
    doc: 'The largest Protocol Buffers message accepted. Keep it above object.size.maximum.',
    extremes: [51 * 2 ** 20],
  }),
  'http.connections.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 1_000_000 }),
    default: 20_000,
    doc: 'HTTP connections open at once; one more is closed as soon as it opens.',
    extremes: [4],
  }),
  'http.headers.maximum': defineKey({
    type: bytes({ minimum: 1024, maximum: 16 * 2 ** 20 }),
    default: 64 * 2 ** 10,
    doc: 'The request line and headers of one HTTP request together. Index entries and user metadata travel in headers.',
  }),
  'http.bodies.maximum': defineKey({
    type: bytes({ minimum: 2 ** 20, maximum: 2 ** 40 }),
    default: 512 * 2 ** 20,
    doc: 'Memory for HTTP request bodies that are still arriving, all connections together; beyond it requests are refused.',
    extremes: [2 ** 20],
  }),
  'http.pipeline.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 65_536 }),
    default: 32,
    doc: 'Requests of one HTTP connection that wait for their turn before its socket stops being read.',
    extremes: [1],
  }),
  'http.keep_alive': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 300_000,
    doc: 'How long an idle HTTP connection stays open.',
  }),
  'http.headers_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long a client may take to send the headers of one HTTP request.',
  }),
  'http.receive_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 600_000,
    doc: 'How long a client may take to send one HTTP request, headers and body.',
  }),
  'http.stalled_write_timeout': defineKey({
    type: duration({ minimum: 1000, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'How long a client may take no byte of its HTTP response before it is cut off.',
  }),
} as const;
