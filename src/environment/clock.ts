declare const instant: unique symbol;
/** Monotonic milliseconds since an arbitrary start, with fractions. For timeouts, leases, deadlines. */
export type Instant = number & { readonly [instant]: true };

declare const wallMicros: unique symbol;
/** Microseconds since the Unix epoch. May jump. Only for last-modified stamps and for display. */
export type WallMicros = number & { readonly [wallMicros]: true };

export interface Clock {
  now(): Instant;
  wallMicros(): WallMicros;
}
