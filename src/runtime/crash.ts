/**
 * Where an exception goes that nobody can handle: a bug, after which the node must not go on. The
 * owner of the process decides what stopping means; an embedding application may close its node.
 */
export type CrashHandler = (activity: string, error: unknown) => void;

/**
 * Throws `error` where nobody but `uncaughtException` can catch it, when the callback that is running now has
 * returned: who runs it may not be interrupted, and may not take the exception for its own.
 */
export function throwUncaught(error: unknown): void {
  process.nextTick(() => {
    throw error;
  });
}
