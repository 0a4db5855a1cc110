export type { LivenessEffect } from './liveness-effect.ts';
export type { LivenessEvent } from './liveness-event.ts';
export type { LivenessView, Reachability } from './liveness-view.ts';
export { memberAttribute } from './member-attribute.ts';
export type { MemberRecord } from './member-table.ts';
export {
  envelopeBytes,
  type LivenessEnvelope,
  livenessNameBytesMax,
  readEnvelope,
  writeEnvelope,
} from './message-codec.ts';
export { Swim, type SwimParts } from './swim.ts';
export type { Rumour, RumourStatus, SwimMessage, SwimMessageKind } from './swim-message.ts';
export { defaultSwimOptions, type SwimOptions, swimOptionsOf } from './swim-options.ts';
