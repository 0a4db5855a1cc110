/** What the configuration says to background work. */
import type { Configuration } from '../config/index.ts';
import type { BackgroundOptions } from '../core/background/index.ts';

export function backgroundOptions(configuration: Configuration): BackgroundOptions {
  return {
    bytesPerSecondMin: configuration['background.rate.minimum'],
    delayMsMax: configuration['background.delay.maximum'],
  };
}
