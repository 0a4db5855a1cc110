export { type CoveragePlan, type CoverageStep, planCoverage } from './coverage-plan.ts';
