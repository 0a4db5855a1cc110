import type { Scenario } from '../scenario.ts';
import { clusterAckedMeansKept } from './cluster-acked-means-kept.ts';

/** Of whole clusters: real nodes, and clients that ask any of them. */
export const clusterScenarios: readonly Scenario[] = [clusterAckedMeansKept];
