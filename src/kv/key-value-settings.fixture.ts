import { defaultBucketProperties, type KeyValueSettings } from './index.ts';

/** Small limits, short pauses. */
export const fixtureSettings: KeyValueSettings = {
  requestTimeoutMs: 60_000,
  tombstonePauseMs: 1,
  requestsMax: 1000,
  readRepairsPerSecondMax: 1000,
  coordinatorFailureTimeoutMs: 3000,
  hedgeDelayMsMin: 10,
  hedgeDelayMsMax: 1000,
  readEveryoneInterval: 1,
  strayBytesMax: 2 ** 30,
  deleteMode: 'immediate',
  listTimeoutMs: 10_000,
  bucketDefaults: defaultBucketProperties,
  objectBytesMax: 10_000,
  objectBytesWarn: 5000,
  siblingsMax: 10,
  siblingsWarn: 5,
};
