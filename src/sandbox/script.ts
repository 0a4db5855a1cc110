/** What every engine does with a call around running it. */
import { assert } from '../stdx/index.ts';
import type { SandboxOutcome, ScriptError } from './sandbox.ts';

/** As one expression, whatever its last line is. */
export function functionSource(source: string): string {
  return `(${source}\n)`;
}

/** Of the string that a driver returned. */
export function outcomeOfAnswer(answer: string, ranMs: number): SandboxOutcome {
  switch (answer[0]) {
    case 'R':
      return { kind: 'returned', results: answer.length === 1 ? [] : answer.slice(1).split('\n'), ranMs };
    case 'E':
      return outcomeOfError(errorOf(answer.slice(1)), ranMs);
    default:
      return { kind: 'exceeded', limit: 'output', ranMs };
  }
}

/** What engines throw at their limits has names of its own, and functions can catch some of it. */
export function outcomeOfError(error: ScriptError, ranMs: number): SandboxOutcome {
  // QuickJS throws null where it has no memory left to make an error of it.
  const isMemory =
    error.message === 'out of memory' ||
    error.message === 'null' ||
    error.message.startsWith('Array buffer allocation failed');
  return isMemory ? { kind: 'exceeded', limit: 'memory', ranMs } : { kind: 'threw', error, ranMs };
}

function errorOf(json: string): ScriptError {
  const { name, message, stack, at } = JSON.parse(json) as Record<string, unknown>;
  assert(typeof at === 'number', 'drivers say where they were');
  return { name: String(name), message: String(message), stack: String(stack), at };
}
