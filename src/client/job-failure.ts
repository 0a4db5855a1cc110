import { HaleError } from './hale-error.ts';

/** Why a phase of a MapReduce job failed, as nodes tell it. */
export interface FailedPhase {
  readonly phase: number;
  readonly error: string;
  /** What it was working on, as JSON; may be empty. */
  readonly input: string;
}

const inputShownMax = 200;

export function jobFailedError({ phase, error, input }: FailedPhase): HaleError {
  const shown = input.length > inputShownMax ? `${input.slice(0, inputShownMax)}…` : input;
  const where = shown.length === 0 ? '' : ` (working on ${shown})`;
  return new HaleError('job_failed', `phase ${phase} of the job failed: ${error}${where}`);
}

/** Undefined: the text tells no failed phase. */
export function failedPhaseOf(text: string): FailedPhase | undefined {
  if (!text.startsWith('{"phase":')) return undefined;
  try {
    const { phase, error, input } = JSON.parse(text) as Record<string, unknown>;
    return { phase: Number(phase), error: String(error), input: typeof input === 'string' ? input : '' };
  } catch {
    return undefined;
  }
}
