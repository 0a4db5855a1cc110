export { countOfKeys, estimateOfKeys, type KeyEstimate } from './count-of-keys.ts';
export { CoverageQueries, type CoverageQueryParts, type RingSample } from './coverage-queries.ts';
export { type FoundObject, foldObjects } from './fold-objects.ts';
export { IndexQueries, type IndexQuerying, type IndexResults } from './index-queries.ts';
export { bucketField, keyField } from './index-query.ts';
export type { IndexRequest, TermRange } from './index-request.ts';
export {
  IndexUpkeep,
  type IndexUpkeepSettings,
  type IndexUpkeepStatus,
  indexesCheckedFact,
} from './index-upkeep.ts';
export { NameListings } from './name-listings.ts';
export type { QueryProblem } from './query-problem.ts';
