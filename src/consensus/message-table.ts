/**
 * What each role does with a message of its own term: a table that the compiler holds complete. Messages
 * of other terms, and those that no term concerns, are dealt with before (`Replica.#admit`).
 */
import type { MessageKind } from './message.ts';
import type { RoleName } from './role.ts';

/** `impossible`: only another leader of the same term could have sent it; the replica stops. */
export type Handling = 'act' | 'ignore' | 'impossible';

const follower = {
  'pre-vote-request': 'act',
  'pre-vote-reply': 'ignore',
  'vote-request': 'act',
  'vote-reply': 'ignore',
  append: 'act',
  'append-accepted': 'ignore',
  'append-refused': 'ignore',
  heartbeat: 'act',
  'heartbeat-reply': 'ignore',
  'timeout-now': 'act',
  'snapshot-offer': 'act',
  pull: 'act',
  'pull-reply': 'act',
  'pull-snapshot': 'act',
  'snapshot-pull': 'act',
  'snapshot-chunk': 'act',
} as const satisfies Readonly<Record<MessageKind, Handling>>;

export const handlings: Readonly<Record<RoleName, Readonly<Record<MessageKind, Handling>>>> = {
  follower,
  'pre-candidate': { ...follower, 'pre-vote-reply': 'act' },
  candidate: {
    ...follower,
    'vote-reply': 'act',
    'timeout-now': 'ignore',
    // What it asked votes with must stay what it has.
    'pull-reply': 'ignore',
    'pull-snapshot': 'ignore',
    'snapshot-chunk': 'ignore',
  },
  leader: {
    ...follower,
    append: 'impossible',
    heartbeat: 'impossible',
    'snapshot-offer': 'impossible',
    'timeout-now': 'ignore',
    'append-accepted': 'act',
    'append-refused': 'act',
    'heartbeat-reply': 'act',
    'pull-reply': 'ignore',
    'pull-snapshot': 'ignore',
    'snapshot-chunk': 'ignore',
  },
};
