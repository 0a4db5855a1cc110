import type { Scenario } from '../scenario.ts';
import { clusterAckedMeansKept, clusterAckedMeansKeptEleven } from './cluster-acked-means-kept.ts';
import { clusterAmnesia } from './cluster-amnesia.ts';
import { clusterBackends } from './cluster-backends.ts';
import { clusterBusyJoin } from './cluster-busy-join.ts';
import { clusterCoverageFlip } from './cluster-coverage-flip.ts';
import { clusterDatatypes } from './cluster-datatypes.ts';
import { clusterExpiry } from './cluster-expiry.ts';
import { clusterFalseNotfound } from './cluster-false-notfound.ts';
import { clusterFeed } from './cluster-feed.ts';
import { clusterForwardedPut } from './cluster-forwarded-put.ts';
import { clusterFullQueues } from './cluster-full-queues.ts';
import { clusterHooks } from './cluster-hooks.ts';
import { clusterIndexQueries } from './cluster-index-queries.ts';
import { clusterLargeValues } from './cluster-large-values.ts';
import { clusterLeaveRace, clusterLeaveRaceLong } from './cluster-leave-race.ts';
import { clusterMapReduce } from './cluster-map-reduce.ts';
import { clusterOperators } from './cluster-operators.ts';
import { clusterOverwriteHandoff } from './cluster-overwrite-handoff.ts';
import { clusterPowerCut } from './cluster-power-cut.ts';
import { clusterRepair } from './cluster-repair.ts';
import { clusterSecondDeath } from './cluster-second-death.ts';
import { clusterSerialised } from './cluster-serialised.ts';
import { clusterSplit, clusterSplitLong } from './cluster-split.ts';
import { clusterStaleReplica } from './cluster-stale-replica.ts';
import { clusterSwitchRace } from './cluster-switch-race.ts';
import { clusterTypedClient } from './cluster-typed-client.ts';
import { clusterUnsynced } from './cluster-unsynced.ts';
import { clusterWriteOnce } from './cluster-write-once.ts';
import { voxer } from './voxer.ts';

/** Of whole clusters: real nodes, and clients that ask any of them. */
export const clusterScenarios: readonly Scenario[] = [
  clusterAckedMeansKept,
  clusterAckedMeansKeptEleven,
  clusterPowerCut,
  clusterSplit,
  clusterSplitLong,
  clusterLeaveRace,
  clusterLeaveRaceLong,
  clusterSwitchRace,
  clusterOperators,
  clusterStaleReplica,
  clusterBusyJoin,
  clusterForwardedPut,
  clusterOverwriteHandoff,
  clusterFalseNotfound,
  clusterSecondDeath,
  clusterAmnesia,
  clusterRepair,
  clusterBackends,
  clusterCoverageFlip,
  clusterIndexQueries,
  clusterExpiry,
  clusterLargeValues,
  clusterHooks,
  voxer,
  clusterDatatypes,
  clusterFullQueues,
  clusterMapReduce,
  clusterWriteOnce,
  clusterSerialised,
  clusterFeed,
  clusterTypedClient,
  clusterUnsynced,
].map((scenario) => ({ ...scenario, seedsPerHundred: 10 }));
