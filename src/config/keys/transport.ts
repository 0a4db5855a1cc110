import { defineKey } from '../key-definition.ts';
import { bytes, duration, either, flag, integer, path, secret } from '../value-type.ts';

function queueKey(traffic: string, megabytes: number, purpose: string) {
  return defineKey({
    type: bytes({ minimum: 512 * 2 ** 10, maximum: 2 ** 40 }),
    default: megabytes * 2 ** 20,
    doc: `What may wait for one peer in the ${traffic} class (${purpose}); what does not fit is refused at once.`,
    extremes: [512 * 2 ** 10],
  });
}

export const transportKeys = {
  'cluster.secret': defineKey({
    type: secret(),
    default: '',
    isSecret: true,
    doc: 'What all nodes of the cluster know and nobody else: who cannot prove that is not let in. Without it, and without cluster.tls, a node listens to nodes of its own machine only. Better in the file or the environment than on a command line.',
  }),
  'cluster.tls.certificate': defineKey({
    type: either(path(), 'off'),
    default: 'off',
    doc: "PEM file with this node's certificate: connections between nodes are encrypted and both ends certified. One of its names must be the node's name, its host, or the host at which others reach it. All three files or none.",
  }),
  'cluster.tls.key': defineKey({
    type: either(path(), 'off'),
    default: 'off',
    doc: 'PEM file with the key of cluster.tls.certificate.',
  }),
  'cluster.tls.authority': defineKey({
    type: either(path(), 'off'),
    default: 'off',
    doc: "PEM file with the certificate of the authority that signs those of the cluster's nodes, and of nobody else.",
  }),
  'cluster.local_sockets': defineKey({
    type: flag(),
    default: true,
    doc: 'Lets nodes of one machine and user reach each other by a Unix socket beside the TCP port of listener.cluster.internal, in hale-UID of the directory for temporary files, which costs less. Not used with cluster.tls, nor where a node listens at a name or at all addresses. Off: by TCP, as between machines.',
  }),
  'cluster.requests.maximum': defineKey({
    type: integer({ minimum: 1, maximum: 10_000_000 }),
    default: 20_000,
    doc: 'Requests to one other node that wait for its answer; one more is refused at once as overload.',
    extremes: [2],
  }),
  'cluster.allow_strangers': defineKey({
    type: flag(),
    default: false,
    doc: 'Lets this node listen to other nodes beyond its own machine without cluster.secret and TLS. Whoever reaches the port can join, read and write.',
  }),
  'cluster.message.maximum': defineKey({
    type: bytes({ minimum: 2 ** 20, maximum: 3 * 2 ** 29 }),
    default: 128 * 2 ** 20,
    doc: 'The largest message between two nodes, the same at all of them. Keep it above twice object.size.maximum: an object may grow beyond that when replicas merge what was written on both sides of a cut, and one that no message holds is neither read from other nodes nor moved. No memory is set aside for it.',
  }),
  'cluster.queue.control.maximum': queueKey('control', 4, 'liveness, agreement'),
  'cluster.queue.foreground.maximum': queueKey('foreground', 64, 'requests of clients'),
  'cluster.queue.repair.maximum': queueKey('repair', 16, 'read repair, anti-entropy'),
  'cluster.queue.handoff.maximum': queueKey('handoff', 16, 'moving partitions'),
  'cluster.connect_timeout': defineKey({
    type: duration({ minimum: 10, maximum: 600_000 }),
    default: 2000,
    doc: 'How long a connection to another node may take to open.',
    extremes: [50],
  }),
  'cluster.handshake_timeout': defineKey({
    type: duration({ minimum: 10, maximum: 600_000 }),
    default: 5000,
    doc: 'How long two nodes may take to prove to each other who they are, once connected.',
    extremes: [50],
  }),
  'cluster.silence_timeout': defineKey({
    type: duration({ minimum: 2000, maximum: 3_600_000 }),
    default: 15_000,
    doc: 'A connection to another node on which nothing comes in, or nothing queued is taken, for so long is given up; one that was quiet before, within twice that.',
    extremes: [3000],
  }),
  'cluster.reconnect.maximum': defineKey({
    type: duration({ minimum: 10, maximum: 3_600_000 }),
    default: 3000,
    doc: 'The longest pause between two attempts to reach another node.',
    extremes: [100],
  }),
} as const;
