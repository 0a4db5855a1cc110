/** Which data type a bucket's properties name. */
import type { BucketProperties } from './bucket-properties.ts';
import { hllPrecisionDefault } from './bucket-type-rules.ts';
import type { Datatype } from './datatype/index.ts';

/** What the counters of Riak 1.4 are: in a bucket of no type, beside objects of any kind. */
export const legacyCounter: Datatype = { type: 'counter', precision: hllPrecisionDefault };

/** Undefined: objects of the bucket are what clients put there. */
export function datatypeOf({ custom }: Pick<BucketProperties, 'custom'>): Datatype | undefined {
  const type = custom.get('datatype');
  switch (type) {
    case 'counter':
    case 'gset':
    case 'hll':
    case 'map':
    case 'set': {
      const precision = custom.get('hll_precision');
      return { type, precision: typeof precision === 'number' ? precision : hllPrecisionDefault };
    }
    default:
      return undefined;
  }
}
