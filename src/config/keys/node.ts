import { defineKey } from '../key-definition.ts';
import { duration, nodeName, path, powerOfTwo } from '../value-type.ts';

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
  platform_data_dir: defineKey({
    type: path(),
    default: './data',
    doc: 'The directory of all that this node stores, made if it is missing. One process at a time may use it.',
    flag: { name: '--data', placeholder: 'DIR' },
  }),
  drain_timeout: defineKey({
    type: duration({ minimum: 0, maximum: 3_600_000 }),
    default: 10_000,
    doc: 'On stop, how long requests in progress may take to finish before their connections are closed.',
    extremes: [0, 60_000],
  }),
} as const;
