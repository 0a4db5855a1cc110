/**
 * The roles of a replica and every way from one to another, as a table that the compiler holds complete.
 *
 * A `pre-candidate` asks whether it could win; a `candidate` has begun a term. A learner, a removed
 * replica and one that knows of no group are followers: they differ in who is asked, not in what they do.
 */
export type RoleName = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** What makes a replica change, or keep, its role. */
export type Cause =
  /** No leader was heard for the election timeout, or the election took as long. */
  | 'election-timeout'
  | 'pre-vote-won'
  | 'vote-won'
  /** The leader of this term spoke. */
  | 'leader-heard'
  | 'higher-term'
  /** A leader that has not heard a quorum for the election timeout. */
  | 'quorum-lost'
  /** The leader asked this replica to take over. */
  | 'told-to-campaign'
  /** A leader whose removal is committed. */
  | 'removed'
  /** It would ask for votes, but has learnt that it is no voter any more. */
  | 'no-voter';

export const transitions: {
  readonly [Role in RoleName]: { readonly [Each in Cause]: RoleName | 'impossible' };
} = {
  follower: {
    'election-timeout': 'pre-candidate',
    'pre-vote-won': 'impossible',
    'vote-won': 'impossible',
    'leader-heard': 'follower',
    'higher-term': 'follower',
    'quorum-lost': 'impossible',
    'told-to-campaign': 'candidate',
    removed: 'impossible',
    'no-voter': 'follower',
  },
  'pre-candidate': {
    'election-timeout': 'pre-candidate',
    'pre-vote-won': 'candidate',
    'vote-won': 'impossible',
    'leader-heard': 'follower',
    'higher-term': 'follower',
    'quorum-lost': 'impossible',
    'told-to-campaign': 'candidate',
    removed: 'impossible',
    'no-voter': 'follower',
  },
  candidate: {
    'election-timeout': 'pre-candidate',
    'pre-vote-won': 'impossible',
    'vote-won': 'leader',
    'leader-heard': 'follower',
    'higher-term': 'follower',
    'quorum-lost': 'impossible',
    'told-to-campaign': 'impossible',
    removed: 'impossible',
    'no-voter': 'follower',
  },
  leader: {
    'election-timeout': 'impossible',
    'pre-vote-won': 'impossible',
    'vote-won': 'impossible',
    'leader-heard': 'impossible',
    'higher-term': 'follower',
    'quorum-lost': 'follower',
    'told-to-campaign': 'impossible',
    removed: 'follower',
    'no-voter': 'impossible',
  },
};
