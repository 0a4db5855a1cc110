const megabyte = 2 ** 20;
const share = 1 / 32;
const least = 32 * megabyte;
const most = 512 * megabyte;

/** What `storage.value_cache_size = "auto"` means. `memoryBytes`: what the process may use; absent: not much. */
export function usualCacheBytes(memoryBytes = 0): number {
  return Math.floor(Math.min(most, Math.max(least, memoryBytes * share)));
}
