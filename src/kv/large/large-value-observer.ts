/** What the large values of a node tell its metrics. */
export interface LargeValueObserver {
  largePutFinished(outcome: 'stored' | 'failed' | 'broken_off'): void;
  largeGetFinished(outcome: 'done' | 'failed'): void;
  largeValueAssembled(outcome: 'done' | 'failed'): void;
  largeBytesStored(bytes: number): void;
  largeBytesSent(bytes: number): void;
  /** All chunks of an upload that nothing refers to are gone. */
  uploadForgotten(chunks: number): void;
}

export const silentLargeValueObserver: LargeValueObserver = {
  largePutFinished() {},
  largeGetFinished() {},
  largeValueAssembled() {},
  largeBytesStored() {},
  largeBytesSent() {},
  uploadForgotten() {},
};
