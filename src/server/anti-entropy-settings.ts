/** What the configuration says to anti-entropy. */
import type { Configuration } from '../config/index.ts';
import type { AntiEntropySettings } from '../kv/index.ts';

export function antiEntropySettings(configuration: Configuration): AntiEntropySettings {
  return {
    isActive: configuration.tictacaae_active === 'active',
    intervalMs: configuration['anti_entropy.interval'],
    exchangesMax: configuration['anti_entropy.concurrency_limit'],
    repairsPerSecondMax: configuration['anti_entropy.repair_limit'],
    rebuildPerSecondMax: configuration['anti_entropy.rebuild_limit'],
    verifyIntervalMs: configuration['anti_entropy.verify_interval'],
  };
}
