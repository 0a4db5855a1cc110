/**
 * How much garbage a node lets gather before it is collected.
 *
 * V8 looks at how fast JavaScript allocates to decide how far the heap may grow until all of it is marked again. It counts
 * buffers, which lie outside the heap, in what has grown, but not in how fast: so a node that passes large values on
 * collects after each 16 MiB, many times a second, and spends half its processor time on marking a heap of 15 MiB
 * in which next to nothing has changed. With a fixed growth it does what V8 itself does for a program that
 * allocates fast, and pays with memory: with 200, garbage of up to twice what lives.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Percent; 0 leaves the choice to V8. To be called before code is compiled that is kept: V8 takes kept code only under the flags
 * that it was made under.
 */
export function setHeapGrowth(percent: number): void {
  if (percent > 0) setFlagsFromString(`--heap-growing-percent=${percent}`);
}
