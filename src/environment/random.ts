import type { Buffer } from 'node:buffer';

export interface Random {
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
  /** Uniform in [0, 1). */
  fraction(): number;
  /** `count` random bytes; unpredictable in production. */
  bytes(count: number): Buffer;
}
