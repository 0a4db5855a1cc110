/** What every engine does with a call around running it. */
import type { SandboxOutcome, ScriptError } from './sandbox.ts';

/** As one expression, whatever its last line is. */
export function functionSource(source: string): string {
  return `(${source}\n)`;
}

/** Characters of an answer that tells what was thrown. */
const errorLengthMax = 64 * 1024;
/** A function may have changed whatever the driver stands on. */
const broken: ScriptError = {
  name: 'Error',
  message: 'the function broke what it runs in',
  stack: '',
  at: -1,
};

/** Of the string that a driver returned, which is the word of strangers. */
export function outcomeOfAnswer(answer: string, ranMs: number, outputMax: number): SandboxOutcome {
  switch (answer[0]) {
    case 'R':
      // Each result has been counted with a line break.
      if (answer.length > outputMax + 1) return { kind: 'exceeded', limit: 'output', ranMs };
      return { kind: 'returned', results: answer.length === 1 ? [] : answer.slice(1).split('\n'), ranMs };
    case 'E':
      return outcomeOfError(errorOf(answer.slice(1)) ?? broken, ranMs);
    case 'O':
      return { kind: 'exceeded', limit: 'output', ranMs };
    default:
      return { kind: 'threw', error: broken, ranMs };
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

/** Undefined: it is not what drivers say. */
function errorOf(json: string): ScriptError | undefined {
  if (json.length > errorLengthMax) return undefined;
  let error: unknown;
  try {
    error = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof error !== 'object' || error === null) return undefined;
  const { name, message, stack, at } = error as Record<string, unknown>;
  const areTexts = typeof name === 'string' && typeof message === 'string' && typeof stack === 'string';
  return areTexts && typeof at === 'number' ? { name, message, stack, at } : undefined;
}
