export type { LargeValueSettings } from './large-settings.ts';
export { type LargeValueObserver, silentLargeValueObserver } from './large-value-observer.ts';
export {
  type LargePut,
  type LargePutResult,
  type LargeRead,
  type LargeValueParts,
  LargeValueStore,
  type LargeValues,
} from './large-values.ts';
export { type Manifest, manifestsOf } from './manifest.ts';
export type { ChunkRange } from './read-chunks.ts';
export { type StreamedGet, type StreamedGetResult, ValueStreams } from './value-streams.ts';
