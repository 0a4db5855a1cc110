/** What the configuration says about large values. */
import { type Configuration, frameOverhead } from '../config/index.ts';
import type { LargeValueSettings } from '../kv/index.ts';

/** A chunk, its name and its clock must be an object. */
const chunksPerObject = 2;

export function largeValueSettings(configuration: Configuration): LargeValueSettings {
  const chunkBytes = Math.min(
    configuration['large_values.chunk'],
    Math.floor(configuration['object.size.maximum'] / chunksPerObject),
  );
  return {
    thresholdBytes: configuration['large_values.threshold'],
    chunkBytes,
    bytesMax: configuration['large_values.maximum'],
    uploadsMax: configuration['large_values.uploads'],
    downloadsMax: configuration['large_values.downloads'],
    uploadMsMax: configuration['large_values.upload_timeout'],
    sweepIntervalMs: configuration['large_values.sweep_interval'],
    lingerMs: configuration['large_values.linger'],
    removalsPerSecondMax: configuration['large_values.removal_limit'],
    wholeBytesMax: configuration['protobuf.frame.maximum'] - frameOverhead,
    wholeHeldBytesMax: configuration['large_values.assembled.maximum'],
  };
}
