/**
 * What a bucket type may be, and what of it never changes: the kind of its values is decided once, when it is created
 * (`datatype`, `consistent`, `write_once`), for itself and for its buckets.
 */
import type { ByteString } from '../stdx/index.ts';
import type { BucketProperties, JsonValue, PropertyProblem } from './bucket-properties.ts';
import type { BucketTypeRefusal } from './bucket-type.ts';
import { checkCombination } from './property-rules.ts';

export const bucketTypeNameBytesMax = 255;

export const hllPrecisionDefault = 14;

/** A type of sketches says how fine they are: clients read it. */
export function withHllPrecision(properties: BucketProperties): BucketProperties {
  const { custom } = properties;
  if (custom.get('datatype') !== 'hll' || custom.has('hll_precision')) return properties;
  return { ...properties, custom: new Map([...custom, ['hll_precision', hllPrecisionDefault]]) };
}

/** Undefined: a type may have this name. A zero byte ends a type's name in the registry. */
export function checkTypeName(name: ByteString): BucketTypeRefusal | undefined {
  if (name === 'default' || name === 'any') return { reason: 'reserved_name' };
  const isGood = name.length > 0 && name.length <= bucketTypeNameBytesMax && !name.includes('\0');
  return isGood ? undefined : { reason: 'bad_name' };
}

/** Of a type, or of a bucket: `before` and `after` are all its properties. */
export function checkUpdate(before: BucketProperties, after: BucketProperties): readonly PropertyProblem[] {
  const problems = [...checkCombination(after)];
  for (const problem of kindChanges(before, after)) {
    if (!problems.some(({ property }) => property === problem.property)) problems.push(problem);
  }
  return problems;
}

function kindChanges(before: BucketProperties, after: BucketProperties): PropertyProblem[] {
  const problems: PropertyProblem[] = [];
  const fixed = (property: string, was: JsonValue, is: JsonValue) => {
    if (was !== is) problems.push({ property, reason: 'cannot_be_changed' });
  };
  const custom = (property: string, absent: JsonValue) =>
    [before.custom.get(property) ?? absent, after.custom.get(property) ?? absent] as const;
  fixed('datatype', ...custom('datatype', null));
  fixed('consistent', ...custom('consistent', false));
  fixed('write_once', before.write_once, after.write_once);
  if (before.custom.get('consistent') === true) fixed('n_val', before.n_val, after.n_val);
  // Registers can be folded into fewer, never told apart again.
  const [was, is] = custom('hll_precision', hllPrecisionDefault);
  if (typeof was === 'number' && typeof is === 'number' && is > was) {
    problems.push({ property: 'hll_precision', reason: 'cannot_be_raised' });
  }
  return problems;
}
