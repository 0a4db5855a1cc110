export { type MergePolicy, mergePolicyProblems, siblingsMaxMax } from './merge-policy.ts';
export {
  cappedObject,
  mergedContent,
  type SiblingCap,
  siblingCapOf,
  unionBytesMax,
  unitedMetadata,
} from './merged-content.ts';
