import { defineKey } from '../key-definition.ts';
import { bytes, duration, flag } from '../value-type.ts';

function queueKey(traffic: string, megabytes: number, purpose: string) {
  return defineKey({
    type: bytes({ minimum: 512 * 2 ** 10, maximum: 2 ** 40 }),
    default: megabytes * 2 ** 20,
    doc: `What may wait for one peer in the ${traffic} class (${purpose}); what does not fit is refused at once.`,
    extremes: [512 * 2 ** 10],
  });
}

export const transportKeys = {
  'cluster.allow_strangers': defineKey({
    type: flag(),
    default: false,
    doc: 'Lets this node listen to other nodes beyond its own machine without cluster.secret and TLS. Whoever reaches the port can join, read and write.',
  }),
  'cluster.message.maximum': defineKey({
    type: bytes({ minimum: 2 ** 20, maximum: 2 ** 30 }),
    default: 64 * 2 ** 20,
    doc: 'The largest message between two nodes. Keep it above object.size.maximum.',
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
    doc: 'A connection to another node on which nothing comes in, or nothing queued is taken, for so long is given up.',
    extremes: [3000],
  }),
  'cluster.reconnect.maximum': defineKey({
    type: duration({ minimum: 10, maximum: 3_600_000 }),
    default: 3000,
    doc: 'The longest pause between two attempts to reach another node.',
    extremes: [100],
  }),
} as const;
