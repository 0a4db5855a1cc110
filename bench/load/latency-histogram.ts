/** Latencies in buckets of 1/64 of their magnitude: percentiles within 2 % at constant memory. */
const stepsPerOctave = 64;
const octaves = 40;

export class LatencyHistogram {
  readonly #counts = new Float64Array(octaves * stepsPerOctave);
  #total = 0;

  /** `micros` ≥ 0. */
  record(micros: number): void {
    const bucket = micros < 1 ? 0 : Math.floor(Math.log2(micros) * stepsPerOctave);
    this.#counts[Math.min(bucket, this.#counts.length - 1)] += 1;
    this.#total += 1;
  }

  get total(): number {
    return this.#total;
  }

  /** The latency in µs that `fraction` of the requests did not exceed (upper edge of its bucket). */
  percentile(fraction: number): number {
    const wanted = Math.ceil(this.#total * fraction);
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket += 1) {
      seen += this.#counts[bucket];
      if (seen >= wanted && seen > 0) return 2 ** ((bucket + 1) / stepsPerOctave);
    }
    return 0;
  }
}
