/** Why a replica did not take what its owner asked for. Nothing of it has happened. */
export type RefusalReason =
  /** Ask the leader, if one is known. */
  | 'not-leader'
  /** The leader has not committed an entry of its term yet, or hands over its leadership; try again. */
  | 'not-ready'
  /** A limit of queued work is reached; try again when some is done. */
  | 'busy'
  /** The command is larger than `proposalBytesMax`. */
  | 'too-large'
  /** Another change of membership is under way. */
  | 'change-pending'
  /** A wanted voter is not a learner, or is too far behind. */
  | 'not-caught-up'
  /** The wanted membership names nobody, too many, or one peer twice; the target is no voter. */
  | 'malformed';
