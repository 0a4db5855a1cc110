export { ExpiredNames } from './expired-names.ts';
export { ExpirySweep, type ExpirySweepParts, type ExpirySweepSettings } from './expiry-sweep.ts';
