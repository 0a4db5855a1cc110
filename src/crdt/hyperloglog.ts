/**
 * HyperLogLog: how many distinct elements were added, within about 1.04 / √(2^precision), in a byte for
 * each of 2^precision registers (Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a
 * near-optimal cardinality estimation algorithm", 2007).
 *
 * Hashes have 64 bits, so that no correction for large numbers is needed (Heule, Nunkesser and Hall,
 * "HyperLogLog in practice", 2013). The estimator is Ertl's ("New cardinality estimation algorithms for
 * HyperLogLog sketches", 2017, algorithm 6): unbiased from 0 upwards without tables measured beforehand
 * and without switching between formulas.
 *
 * Sketches of different precisions join at the lower one: a sketch of few registers follows from one of many.
 */
import { createHash } from 'node:crypto';
import { assert } from '../stdx/index.ts';
import type { HyperLogLogOperation } from './operation.ts';

export const precisionMin = 4;
export const precisionMax = 16;
const hashBits = 64;

export class HyperLogLog {
  readonly precision: number;
  /** For each substream the greatest rank seen, 0 if none. */
  readonly registers: Uint8Array;

  private constructor(precision: number, registers: Uint8Array) {
    this.precision = precision;
    this.registers = registers;
  }

  static empty(precision: number): HyperLogLog {
    return HyperLogLog.of(precision, new Uint8Array(2 ** precision));
  }

  static of(precision: number, registers: Uint8Array): HyperLogLog {
    assert(precision >= precisionMin && precision <= precisionMax, 'a precision is from 4 to 16');
    assert(registers.length === 2 ** precision, 'there are 2^precision registers');
    return new HyperLogLog(precision, registers);
  }

  /** The sketch that the same elements make at a precision that is no greater. */
  lowered(precision: number): HyperLogLog {
    if (precision === this.precision) return this;
    assert(precision < this.precision, 'a precision can only be lowered');
    const dropped = this.precision - precision;
    const registers = new Uint8Array(2 ** precision);
    this.registers.forEach((rank, index) => {
      if (rank === 0) return;
      const rest = index & (2 ** dropped - 1);
      // The bits that leave the index come before those that the rank counted.
      const lowered = rest === 0 ? rank + dropped : Math.clz32(rest) - (32 - dropped) + 1;
      const at = index >>> dropped;
      if (lowered > registers[at]) registers[at] = lowered;
    });
    return new HyperLogLog(precision, registers);
  }
}

/** The greatest rank: all bits behind the index are zero. */
export function rankMax(precision: number): number {
  return hashBits - precision + 1;
}

/** Returns `left` itself if `right` adds nothing. */
export function joinHyperLogLogs(left: HyperLogLog, right: HyperLogLog): HyperLogLog {
  const precision = Math.min(left.precision, right.precision);
  const ours = left.lowered(precision).registers;
  const theirs = right.lowered(precision).registers;
  let joined: Uint8Array | undefined;
  for (let at = 0; at < ours.length; at += 1) {
    if (theirs[at] <= ours[at]) continue;
    joined ??= ours.slice();
    joined[at] = theirs[at];
  }
  if (joined === undefined) return left.lowered(precision);
  return HyperLogLog.of(precision, joined);
}

/** A sketch of the registers that the operation raises, and of no others. */
export function hyperLogLogDelta(sketch: HyperLogLog, { adds }: HyperLogLogOperation): HyperLogLog {
  const { precision } = sketch;
  const registers = new Uint8Array(2 ** precision);
  for (const element of adds) {
    const hash = createHash('sha1').update(element, 'latin1').digest();
    const high = hash.readUInt32BE(0);
    const at = high >>> (32 - precision);
    const rank = rankOf(high << precision, hash.readUInt32BE(4), precision);
    if (rank > sketch.registers[at] && rank > registers[at]) registers[at] = rank;
  }
  return HyperLogLog.of(precision, registers);
}

/** Position, from 1, of the first one among the bits behind the index. */
function rankOf(highRest: number, low: number, precision: number): number {
  const bits = 32 - precision;
  const zeros = highRest !== 0 ? Math.clz32(highRest) : bits + Math.clz32(low);
  return zeros + 1;
}

/** The estimated number of distinct elements, as an integer. */
export function hyperLogLogValue({ precision, registers }: HyperLogLog): number {
  const top = rankMax(precision);
  const counts = new Array<number>(top + 1).fill(0);
  for (let at = 0; at < registers.length; at += 1) counts[registers[at]] += 1;
  const m = registers.length;
  let z = m * tau(1 - counts[top] / m);
  for (let rank = top - 1; rank >= 1; rank -= 1) z = 0.5 * (z + counts[rank]);
  z += m * sigma(counts[0] / m);
  return Math.round((m * m) / (2 * Math.LN2 * z));
}

/** Ertl 2017, equation 13: x + Σ x^(2^k) 2^(k-1). */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let x = share;
  let weight = 1;
  let sum = x;
  for (let before = -1; before !== sum; ) {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  }
  return sum;
}

/** Ertl 2017, equation 19: (1 - x - Σ (1 - x^(2^-k))² 2^-k) / 3. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let weight = 1;
  let sum = 1 - x;
  for (let before = -1; before !== sum; ) {
    x = Math.sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) ** 2 * weight;
  }
  return sum / 3;
}
