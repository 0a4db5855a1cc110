/**
 * How far counts have come in about the last minute, at no cost where they are counted: a counter only
 * ever goes up, and a sample of it is kept every few seconds.
 */
export const sampleEveryMs = 5_000;
/** One more than a minute's worth: a window spans 60 to 65 seconds. */
const samplesMax = 13;

export class SlidingCounter {
  total = 0;
  readonly #samples: number[] = [0];

  add(count = 1): void {
    this.total += count;
  }

  sample(): void {
    this.#samples.push(this.total);
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Counted in the last minute. */
  get recent(): number {
    return this.total - this.#samples[0]!;
  }
}

/** Octaves of a 32-bit number, each in four linear steps: a bucket is at most a quarter wider than its floor. */
const stepBits = 2;
const steps = 2 ** stepBits;
export const bucketCount = (32 - stepBits + 1) * steps;
const valueMax = 2 ** 32 - 1;

/** Which bucket counts a value; values are rounded down, and beyond 32 bits counted as the largest. */
export function bucketOf(value: number): number {
  const whole = Math.min(valueMax, Math.max(0, Math.floor(value)));
  if (whole < steps) return whole;
  const octave = 31 - Math.clz32(whole);
  const step = (whole >>> (octave - stepBits)) & (steps - 1);
  return (octave - stepBits + 1) * steps + step;
}

/** The largest whole value that the bucket counts. */
export function bucketTop(bucket: number): number {
  if (bucket < steps) return bucket;
  const octave = Math.floor(bucket / steps) + stepBits - 1;
  const width = 2 ** (octave - stepBits);
  return 2 ** octave + ((bucket % steps) + 1) * width - 1;
}

export interface Distribution {
  readonly count: number;
  readonly mean: number;
  readonly median: number;
  readonly percentile95: number;
  readonly percentile99: number;
  readonly largest: number;
}

interface HistogramSample {
  readonly buckets: Float64Array;
  readonly sum: number;
}

/** A distribution of times or sizes, since the start and in the last minute. */
export class SlidingHistogram {
  readonly buckets = new Float64Array(bucketCount);
  sum = 0;
  readonly #samples: HistogramSample[] = [{ buckets: new Float64Array(bucketCount), sum: 0 }];

  record(value: number): void {
    this.buckets[bucketOf(value)]! += 1;
    this.sum += value;
  }

  sample(): void {
    const last = this.#samples.at(-1)!;
    // Most are idle most of the time, and a sample is a kilobyte.
    const isIdle = this.buckets.every((count, bucket) => count === last.buckets[bucket]);
    this.#samples.push(isIdle ? last : { buckets: this.buckets.slice(), sum: this.sum });
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Of the last minute; all zero when nothing happened. Percentiles are the tops of their buckets. */
  get recent(): Distribution {
    const oldest = this.#samples[0]!;
    const counts = this.buckets.map((count, bucket) => count - oldest.buckets[bucket]!);
    const count = counts.reduce((total, n) => total + n, 0);
    const at = (fraction: number) => (count === 0 ? 0 : percentile(counts, Math.ceil(count * fraction)));
    return {
      count,
      mean: count === 0 ? 0 : (this.sum - oldest.sum) / count,
      median: at(0.5),
      percentile95: at(0.95),
      percentile99: at(0.99),
      largest: at(1),
    };
  }
}

function percentile(counts: Float64Array, rank: number): number {
  let seen = 0;
  for (const [bucket, count] of counts.entries()) {
    seen += count;
    if (seen >= rank) return bucketTop(bucket);
  }
  return bucketTop(bucketCount - 1);
}
