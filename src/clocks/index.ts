export {
  type ActorId,
  actorBytes,
  actorId,
  type Dot,
  epochOfActor,
  sameDot,
  vnodeIdOfActor,
} from './actor.ts';
export { contextSize, isContext } from './context-encoding.ts';
export { type Causality, type PruneLimits, type VersionEntry, VersionVector } from './version-vector.ts';
