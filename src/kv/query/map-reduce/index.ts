export { type Item, jsonOf, sizeOf, termOf } from './item.ts';
export { type IndexInputs, JobRefusal, type MapReduceJob, type PhaseSpec } from './job.ts';
export type { JobBudget } from './job-budget.ts';
export { JobFailure, type JobProblem } from './job-failure.ts';
export { parseJsonJob } from './json-job.ts';
export {
  type JobRun,
  MapReduce,
  type MapReduceObserver,
  type MapReduceParts,
  type MapReduceSettings,
} from './map-reduce.ts';
export type { ResultSink } from './run-job.ts';
export { parseTermJob } from './term-job.ts';
