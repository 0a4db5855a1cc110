export { type MergePolicy, mergePolicyProblems, siblingsMaxMax } from './merge-policy.ts';
export {
  cappedObject,
  mergedContent,
  type SiblingCap,
  siblingCapOf,
  unionBytesMaxDefault,
  unitedMetadata,
} from './merged-content.ts';
