export {
  distinctNodes,
  type PreferenceList,
  preferenceList,
  primariesOf,
  type Replica,
} from './preference-list.ts';
export { isRingSize, type Partition, Ring, type RingHash, ringSizeMax, ringSizeMin } from './ring.ts';
