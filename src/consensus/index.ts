/**
 * A replicated log for small groups: Raft as a pure machine. Public as `hale/consensus`. Begin with
 * `Replica`: tell it of events, carry out the effects. `examples/replicated-map.ts` is a whole program.
 */

export { decodeMessage, encodeMessage } from './codec/message-codec.ts';
export {
  decodeLogWrite,
  decodeSnapshotMark,
  encodeLogWrite,
  encodeSnapshotMark,
  type LogWrite,
} from './codec/persisted-codec.ts';
export type { Effect, HardState, PersistedState, SendEffect } from './effect.ts';
export type { Proposal, ReplicaEvent, Token } from './event.ts';
export { foundingState, joiningState } from './founding.ts';
export { type Entry, entrySize, type LogIndex, type LogPosition, type Term } from './log/entry.ts';
export {
  isJoint,
  isVoter,
  type Membership,
  membershipOf,
  membersOf,
  noMembership,
} from './membership/membership.ts';
export type { WantedMembership } from './membership/membership-change.ts';
export type { Message, MessageKind, MessageOf } from './message.ts';
export { defaultOptions, type ElectionRandom, type ReplicaOptions } from './options.ts';
export { type PeerId, peerIdOf } from './peer-id.ts';
export type { RefusalReason } from './refusal.ts';
export {
  type FollowerStatus,
  Replica,
  type ReplicaParts,
  type ReplicaStanding,
  type ReplicaStatus,
} from './replica.ts';
export type { RoleName } from './role.ts';
export { emptySnapshot, type SnapshotMark } from './snapshot/snapshot-mark.ts';
