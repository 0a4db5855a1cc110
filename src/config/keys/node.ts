import { defineKey } from '../key-definition.ts';
import { duration, flag, integer, label, nodeName, path, powerOfTwo } from '../value-type.ts';

export const nodeKeys = {
  nodename: defineKey({
    type: nodeName(),
    default: 'hale@127.0.0.1',
    doc: 'The name of this node in its cluster. It is stored with the data: a data directory belongs to one name.',
    flag: { name: '--name', placeholder: 'NAME@HOST' },
  }),
  ring_size: defineKey({
    type: powerOfTwo({ minimum: 8, maximum: 1024 }),
    default: 256,
    doc: 'Partitions of the ring, fixed for the life of a cluster. Partitions are cheap: leave it unless the cluster will pass 25 nodes.',
    extremes: [8, 1024],
  }),
  location: defineKey({
    type: label(),
    default: '',
    doc: 'Where this node stands: a host, rack or zone. Replicas of an object are spread over distinct locations. Empty: the host of its name.',
    flag: { name: '--location', placeholder: 'LOCATION' },
  }),
  target_n_val: defineKey({
    type: integer({ minimum: 1, maximum: 16 }),
    default: 3,
    doc: 'How many partitions in a row are kept on distinct nodes and locations. Fixed when a cluster is founded; at least the n_val of its buckets.',
  }),
  platform_data_dir: defineKey({
    type: path(),
    default: './data',
    doc: 'The directory of all that this node stores, made if it is missing. One process at a time may use it.',
    flag: { name: '--data', placeholder: 'DIR' },
  }),
  compile_cache: defineKey({
    type: flag(),
    default: true,
    doc: 'Keeps the compiled code of this program in "compiled" of the data directory, so that the next start takes less time. Only on Node 22.8 and later, and only if nobody but the owner can write to the data directory.',
  }),
  heap_growth: defineKey({
    type: integer({ minimum: 0, maximum: 1000 }),
    default: 400,
    doc: 'Percent of the JavaScript heap in use after the last full collection of garbage by which memory may grow until the next, as long as that is at most 64 MiB. Less saves memory; a node of values beyond some kilobytes then collects many times a second. 0 leaves it to V8.',
  }),
  drain_timeout: defineKey({
    type: duration({ minimum: 0, maximum: 3_600_000 }),
    default: 10_000,
    doc: 'On stop, how long requests in progress may take to finish before their connections are closed.',
    extremes: [0, 60_000],
  }),
} as const;
