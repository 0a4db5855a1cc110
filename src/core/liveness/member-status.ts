/**
 * What can become of what this node holds of a member, as a table that the compiler keeps complete.
 *
 * The one departure from SWIM §4.2: nobody dies of another's word. When a partition heals, each side brings the
 * other the news that half of it is dead; members in good health would be dead to their neighbours until their
 * refutations came round. So the word counts as a suspicion that needs no further confirmation, and every
 * node judges by its own timer. Two exceptions: a member of which this node knows nothing, and a
 * member's own goodbye.
 */

/** `unknown`: nothing has been heard of it, neither good nor bad. */
export type MemberStatus = 'unknown' | 'alive' | 'suspect' | 'dead';

export type StatusCause =
  /** A rumour that overrides what is held (`overrides`). */
  | 'told-alive'
  | 'told-suspect'
  | 'told-dead'
  | 'told-goodbye'
  /** This node's own findings. */
  | 'probe-failed'
  | 'suspicion-expired';

/** Undefined: does not happen, or changes nothing. */
export const statusTransitions: {
  readonly [S in MemberStatus]: { readonly [C in StatusCause]: MemberStatus | undefined };
} = {
  unknown: {
    'told-alive': 'alive',
    'told-suspect': 'suspect',
    'told-dead': 'dead',
    'told-goodbye': 'dead',
    'probe-failed': 'suspect',
    'suspicion-expired': undefined,
  },
  alive: {
    'told-alive': 'alive',
    'told-suspect': 'suspect',
    'told-dead': 'suspect',
    'told-goodbye': 'dead',
    'probe-failed': 'suspect',
    'suspicion-expired': undefined,
  },
  suspect: {
    'told-alive': 'alive',
    'told-suspect': 'suspect',
    'told-dead': 'suspect',
    'told-goodbye': 'dead',
    'probe-failed': 'suspect',
    'suspicion-expired': 'dead',
  },
  dead: {
    'told-alive': 'alive',
    'told-suspect': 'suspect',
    'told-dead': 'dead',
    'told-goodbye': 'dead',
    'probe-failed': undefined,
    'suspicion-expired': undefined,
  },
};
