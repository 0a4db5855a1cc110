import type { Configuration } from '../config/index.ts';
import type { ChangeFeedSettings } from '../kv/index.ts';

export function feedSettings(configuration: Configuration): ChangeFeedSettings {
  return {
    feedsMax: configuration['feed.readers.maximum'],
    rememberedMax: configuration['feed.remembered.maximum'],
    deletionsMs: configuration['feed.deletions.retention'],
    trimIntervalMs: configuration['feed.trim.interval'],
  };
}
