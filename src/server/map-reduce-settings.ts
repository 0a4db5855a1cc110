import type { Configuration } from '../config/index.ts';
import type { MapReduceSettings } from '../kv/index.ts';

export function mapReduceSettings(configuration: Configuration): MapReduceSettings {
  return {
    jobsMax: configuration['mapreduce.jobs.maximum'],
    timeoutMs: configuration['mapreduce.timeout.default'],
    timeoutMsMax: configuration['mapreduce.timeout.maximum'],
    heldBytesMax: configuration['mapreduce.held.maximum'],
    scriptMsMax: configuration['mapreduce.script_time.maximum'],
    scriptMemoryBytesMax: configuration['javascript.maximum_heap_size'],
    requestBytesMax: configuration['mapreduce.request.maximum'],
  };
}
