/**
 * A deterministic simulator: whole clusters in one process, in virtual time, from one seed. Public
 * as `hale/simulator`. Begin with `World`; `scenarios/` has examples.
 */
export {
  type CausalOrder,
  checkAckedMeansKept,
  type RegisterWrite,
  type Violation,
} from './checkers/acked-means-kept.ts';
export {
  carryOutFaults,
  clockFaults,
  diskFaults,
  type Fault,
  type FaultKind,
  type FaultPlan,
  type FaultPlanOptions,
  networkFaults,
  processFaults,
  randomFaultPlan,
} from './fault-plan.ts';
export { History, type HistoryEvent } from './history.ts';
export { Prng } from './prng.ts';
export { type RunResult, runScenario } from './run-scenario.ts';
export { type RunnerHost, type RunnerOptions, runCountOf, runScenarios } from './run-scenarios.ts';
export { reportOfLostRun, runSeed, type SeedReport, type SeedRun, type SeedRunner } from './run-seed.ts';
export type { Scenario } from './scenario.ts';
export { scenarioNamed, scenarios } from './scenarios/index.ts';
export { type DiskConditions, quietDisk, type SimulatedDisk } from './simulated-disk.ts';
export { type LinkConditions, quietLink, type SimulatedNetwork } from './simulated-network.ts';
export type { BootMain, SimulatedProcess } from './simulated-process.ts';
export type { PortConditions } from './switch-port.ts';
export type { WorkLedger } from './work-ledger.ts';
export { countTraffic, type Traffic } from './workloads/cluster-traffic.ts';
export {
  deliver,
  type InboxBucket,
  type InboxObject,
  type InboxStore,
  inboxBuckets,
  messageName,
  readTimeline,
  type Timeline,
} from './workloads/inbox-timeline.ts';
export {
  orderOfOneWriter,
  type RegisterClientsOptions,
  runRegisterClients,
} from './workloads/register-clients.ts';
export { SimulationFailure, World, type WorldEngine, type WorldOptions, worldEngines } from './world.ts';
