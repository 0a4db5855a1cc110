/**
 * What a member can become, and by what: a table that the compiler holds complete.
 *
 * Only agreed commands are causes. Liveness is none: who cannot be reached keeps its status (C7).
 */
import { assert } from '../../stdx/index.ts';
import type { MemberStatus } from './cluster-state.ts';

export type StatusCause =
  /** A plan with its join, or with it as the replacement of another, was committed. */
  | 'join-committed'
  /** A plan with its leave, or its replacement by another, was committed. */
  | 'leave-committed'
  /** It was leaving, and owns nothing any more; nothing moves to or from it. */
  | 'emptied'
  /** The moves of a plan were cancelled while it still owned something. */
  | 'cancelled'
  | 'marked-down'
  | 'marked-valid'
  /** The survivors of a lost majority went on without it. */
  | 'lost'
  /** A plan that removes it, or gives its partitions to another by force, was committed. */
  | 'removed'
  /** It owns nothing: it has left, or died on its way in. */
  | 'expelled';

export const statusTransitions: {
  readonly [Status in MemberStatus]: { readonly [Cause in StatusCause]: MemberStatus | 'gone' | 'refused' };
} = {
  joining: {
    'join-committed': 'valid',
    'leave-committed': 'refused',
    emptied: 'refused',
    cancelled: 'refused',
    'marked-down': 'refused',
    'marked-valid': 'refused',
    lost: 'joining',
    removed: 'gone',
    expelled: 'gone',
  },
  valid: {
    'join-committed': 'refused',
    'leave-committed': 'leaving',
    emptied: 'refused',
    cancelled: 'refused',
    'marked-down': 'down',
    'marked-valid': 'refused',
    lost: 'down',
    removed: 'gone',
    expelled: 'refused',
  },
  leaving: {
    'join-committed': 'refused',
    'leave-committed': 'refused',
    emptied: 'exiting',
    cancelled: 'valid',
    'marked-down': 'refused',
    'marked-valid': 'refused',
    lost: 'leaving',
    removed: 'gone',
    expelled: 'refused',
  },
  exiting: {
    'join-committed': 'refused',
    'leave-committed': 'refused',
    emptied: 'refused',
    cancelled: 'refused',
    'marked-down': 'refused',
    'marked-valid': 'refused',
    lost: 'exiting',
    removed: 'gone',
    expelled: 'gone',
  },
  down: {
    'join-committed': 'refused',
    'leave-committed': 'refused',
    emptied: 'refused',
    cancelled: 'refused',
    'marked-down': 'refused',
    'marked-valid': 'valid',
    lost: 'down',
    removed: 'gone',
    expelled: 'refused',
  },
};

/** Owners are members with one of these, or gone for good with a rebuild under way. */
export const owningStatuses: ReadonlySet<MemberStatus> = new Set(['valid', 'leaving', 'down']);

export function mayBecome(status: MemberStatus, cause: StatusCause): boolean {
  return statusTransitions[status][cause] !== 'refused';
}

/** Undefined: gone. The caller has checked that the change is allowed. */
export function statusAfter(status: MemberStatus, cause: StatusCause): MemberStatus | undefined {
  const after = statusTransitions[status][cause];
  assert(after !== 'refused', `a ${status} member is not ${cause}`);
  return after === 'gone' ? undefined : after;
}
