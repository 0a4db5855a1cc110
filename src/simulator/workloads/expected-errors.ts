import type { KvError } from '../../kv/index.ts';
import type { World } from '../world.ts';

/** Counts an error that a client was given, and throws if the faults of its scenario do not explain it. */
export function expectError(
  world: World,
  expectedErrors: ReadonlySet<KvError['code']>,
  error: KvError,
): void {
  world.work.add(`errors of code ${error.code}`);
  if (!expectedErrors.has(error.code)) {
    throw new Error(`no fault explains the error ${JSON.stringify(error)}`);
  }
}
