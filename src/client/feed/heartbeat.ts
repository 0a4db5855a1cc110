const heartbeatMsMin = 100;
const heartbeatMsMax = 10_000;

/** A feed without news says so well before a wait of this length is given up. */
export function heartbeatMsOf(timeoutMs: number): number {
  return Math.min(heartbeatMsMax, Math.max(heartbeatMsMin, Math.floor(timeoutMs / 3)));
}
