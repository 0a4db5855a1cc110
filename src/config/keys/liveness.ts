import { defineKey } from '../key-definition.ts';
import { bytes, duration, integer } from '../value-type.ts';

/** Who of the cluster can be reached (SWIM with Lifeguard). All nodes of a cluster should have the same. */
export const livenessKeys = {
  'liveness.interval': defineKey({
    type: duration({ minimum: 10, maximum: 60_000 }),
    default: 500,
    doc: 'The time between two probes of this node; each goes to another member.',
    extremes: [100, 2000],
  }),
  'liveness.timeout': defineKey({
    type: duration({ minimum: 5, maximum: 60_000 }),
    default: 200,
    doc: 'How long a member may take to answer a probe; the members that are asked to try it have as long again.',
    extremes: [100, 1000],
  }),
  'liveness.suspicion': defineKey({
    type: duration({ minimum: 10, maximum: 3_600_000 }),
    default: 1600,
    doc: 'How long a member that answers to nobody may take to refute before it counts as dead. A pause of a process that is shorter than this and both timeouts has no consequence.',
    extremes: [800, 10_000],
  }),
  'liveness.suspicion_factor': defineKey({
    type: integer({ minimum: 1, maximum: 100 }),
    default: 3,
    doc: 'By how much a suspicion lasts longer while only one member has it.',
    extremes: [1, 10],
  }),
  'liveness.refused': defineKey({
    type: duration({ minimum: 10, maximum: 3_600_000 }),
    default: 300,
    doc: 'How long a member may take to come back after two others found that its machine refuses connections.',
    extremes: [50, 2000],
  }),
  'liveness.relays': defineKey({
    type: integer({ minimum: 0, maximum: 16 }),
    default: 3,
    doc: 'Members that are asked to try one that does not answer, so that one bad link condemns nobody.',
    extremes: [0, 1],
  }),
  'liveness.gossip_interval': defineKey({
    type: duration({ minimum: 5, maximum: 60_000 }),
    default: 100,
    doc: 'How often news is told to members drawn by chance, while there is news.',
    extremes: [20, 500],
  }),
  'liveness.gossip_fanout': defineKey({
    type: integer({ minimum: 1, maximum: 64 }),
    default: 3,
    doc: 'Members that are told of news each time.',
    extremes: [1],
  }),
  'liveness.message_size': defineKey({
    type: bytes({ minimum: 512, maximum: 65_536 }),
    default: 1024,
    doc: 'News that one message carries, at most. Messages between nodes that know different things carry four times as much.',
    extremes: [512],
  }),
  'liveness.flap_window': defineKey({
    type: duration({ minimum: 0, maximum: 86_400_000 }),
    default: 60_000,
    doc: 'A member that comes back twice within this time counts as dead a little longer, each time twice as long.',
    extremes: [0, 3_600_000],
  }),
  'liveness.flap_hold_maximum': defineKey({
    type: duration({ minimum: 1000, maximum: 3_600_000 }),
    default: 10_000,
    doc: 'How long a member that comes and goes counts as dead after it has come back, at most.',
    extremes: [1000, 60_000],
  }),
} as const;
