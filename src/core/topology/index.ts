export { SoloTopology, type Topology } from './topology.ts';
