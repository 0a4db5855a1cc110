import type { TrafficClass } from './messenger.ts';

/** In order of precedence. A class's place in the list stands on the wire. */
export const trafficClasses: readonly TrafficClass[] = ['control', 'foreground', 'repair', 'handoff'];
