export {
  BACKGROUND_OPTIONS,
  type Background,
  type BackgroundFacts,
  type BackgroundLane,
  type BackgroundOptions,
  BackgroundWork,
  costOf,
  type Foreground,
  unknownForeground,
} from './background-work.ts';
export type { RequestTimes } from './usual-time.ts';
