/**
 * What a bug in the library does to the process of its application: calls in progress and later ones fail,
 * and the exception ends the process, as an exception nobody caught does. An application that goes on all
 * the same has a database that is closed, not one that is half alive.
 */
import { HaleError } from './client/index.ts';
import { type CrashHandler, throwUncaught } from './runtime/index.ts';

export interface DatabaseCrash {
  readonly handler: CrashHandler;
  /** Aborts at the crash; its reason is the `HaleError` that is thrown. */
  readonly signal: AbortSignal;
}

export function databaseCrash(): DatabaseCrash {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    handler: (activity, cause) => {
      const error = new HaleError('server', `hale failed in ${activity}`, { cause });
      throwUncaught(error);
      controller.abort(error);
    },
  };
}
