export type { LivenessView, Reachability } from './liveness-view.ts';
