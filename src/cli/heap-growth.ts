/**
 * How much garbage a node lets gather before it is collected.
 *
 * V8 looks at how fast JavaScript allocates to decide how far the heap may grow until all of it is marked again. It counts
 * buffers, which lie outside the heap, in what has grown, but not in how fast: so a node that passes values on
 * collects after each 16 MiB, many times a second, and spends up to half its processor time on marking a heap of 15 MiB
 * in which next to nothing has changed. With a fixed growth it does what V8 itself does for a program that
 * allocates fast, and pays with memory: with 400 percent some 50 MiB. What of the heap is large pays too much, and is left to V8.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** A heap of which more lives grows as V8 thinks right. */
const liveBytesMax = 64 * 2 ** 20;

/**
 * Percent; 0 leaves the choice to V8. To be called before code is compiled that is kept: V8 takes kept code only under the flags
 * that it was made under.
 */
export function setHeapGrowth(percent: number): void {
  if (percent === 0) return;
  let growth = percent;
  setFlagsFromString(flagOf(growth));
  const observer = new PerformanceObserver((list) => {
    if (!list.getEntries().some((entry) => isFullCollection(entry as CollectionEntry))) return;
    const next = growthOf(percent, getHeapStatistics().used_heap_size);
    if (next === growth) return;
    growth = next;
    setFlagsFromString(flagOf(growth));
  });
  observer.observe({ entryTypes: ['gc'] });
}

/** `liveBytes`: what of the heap was in use after a full collection. */
export function growthOf(percent: number, liveBytes: number): number {
  return liveBytes > liveBytesMax ? 0 : percent;
}

/** To V8, 0 means that it decides. */
function flagOf(percent: number): string {
  return `--heap-growing-percent=${percent}`;
}

/** Of the entries of type `gc`. */
type CollectionEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };

function isFullCollection({ detail }: CollectionEntry): boolean {
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR;
}
