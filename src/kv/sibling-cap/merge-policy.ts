/** What a bucket wants done when an object has more siblings than it should have. */
import type { BucketProperties, PropertyProblem } from '../bucket-properties.ts';
import { hookFunctionOf } from '../commit-hooks/index.ts';

/** `none`: what would have more is refused. `name`: a function, named as commit hooks are. */
export type MergePolicy = 'none' | 'lww' | 'union' | { readonly name: string };

/** The most that `siblings_max` may say. */
export const siblingsMaxMax = 100_000;

export function mergePolicyProblems(properties: BucketProperties): readonly PropertyProblem[] {
  const { siblings_max, merge_policy, allow_mult, custom } = properties;
  const problems: PropertyProblem[] = [];
  // They are joined, at each update.
  if (siblings_max > 0 && custom.has('datatype')) {
    problems.push({ property: 'siblings_max', reason: 'not_with_datatype' });
  }
  if (merge_policy === 'none') return problems;
  if (siblings_max === 0) problems.push({ property: 'merge_policy', reason: 'needs_siblings_max' });
  if (!allow_mult) problems.push({ property: 'merge_policy', reason: 'needs_allow_mult' });
  if (typeof merge_policy === 'object' && hookFunctionOf(merge_policy) === undefined) {
    problems.push({ property: 'merge_policy', reason: 'unknown_function' });
  }
  return problems;
}
