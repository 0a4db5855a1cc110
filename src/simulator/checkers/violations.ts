const shownMax = 5;

/** Fails the run if a checker found anything. */
export function refuseViolations(violations: readonly string[]): void {
  if (violations.length === 0) return;
  throw new Error(`${violations.length} violations: ${violations.slice(0, shownMax).join(' · ')}`);
}
