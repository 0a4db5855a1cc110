/**
 * What has to be ended, in the order in which it is told: each step is taken though one before it has failed, so that
 * nothing stays open because something else could not be closed.
 */
export type Ending = () => void | Promise<void>;

/** Rejects with the first failure, when all steps have been taken. */
export async function endInTurn(steps: Iterable<Ending>): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
