/** How patient the many requests of one value are with a cluster that changes: a chunk that fails is asked for again. */
import type { Timers } from '../../environment/index.ts';
import type { KvError } from '../kv-error.ts';

/** Chunks of one value under way at once. */
export const windowMax = 4;

const attemptsMax = 5;
const firstPauseMs = 50;

/** To write a chunk again is harmless: it has one content. */
export async function writeAgain(
  timers: Timers,
  write: () => Promise<KvError | undefined>,
): Promise<KvError | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const failure = await write();
    if (failure === undefined || attempt === attemptsMax || !mayPass(failure)) return failure;
    await pause(timers, firstPauseMs * 2 ** attempt);
  }
}

/** The result that is not an error, or the last one. */
export async function readAgain<T extends object>(
  timers: Timers,
  read: () => Promise<T | KvError>,
): Promise<T | KvError> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await read();
    if (!('code' in found) || attempt === attemptsMax || !mayPass(found)) return found;
    await pause(timers, firstPauseMs * 2 ** attempt);
  }
}

function mayPass({ code }: KvError): boolean {
  return code !== 'stopping' && code !== 'too_large' && code !== 'n_val_violation';
}

function pause(timers: Timers, delayMs: number): Promise<void> {
  return new Promise((resolve) => timers.after(delayMs, resolve));
}
