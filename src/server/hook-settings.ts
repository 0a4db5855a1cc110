import type { Configuration } from '../config/index.ts';
import type { HookSettings } from '../kv/index.ts';

export function hookSettings(configuration: Configuration): HookSettings {
  return {
    runMsMax: configuration['javascript.hook_time.maximum'],
    memoryBytesMax: configuration['javascript.maximum_heap_size'],
    objectBytesMax: configuration['javascript.hook_object.maximum'],
  };
}
