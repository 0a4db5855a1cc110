export type { ClusterLog, ProposeOutcome } from './cluster-log.ts';
