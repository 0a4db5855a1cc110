/**
 * LevelDB's errors, as its binding passes them on: mostly the text of a `Status`, sometimes a code.
 */
import { StorageError, type StorageErrorCode } from '../storage-engine.ts';

interface LevelFailure {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
}

export function storageErrorOf(cause: unknown, doing: string): StorageError {
  if (cause instanceof StorageError) return cause;
  const text = textOf(cause);
  return new StorageError(codeOf(cause, text), `${doing}: ${text}`, { cause });
}

/** Opening fails with a general error that carries the real one as its cause. */
function textOf(cause: unknown): string {
  const failure = cause as LevelFailure;
  const own = typeof failure?.message === 'string' ? failure.message : String(cause);
  return failure?.cause instanceof Error ? `${own}: ${failure.cause.message}` : own;
}

function codeOf(cause: unknown, text: string): StorageErrorCode {
  const code = (cause as LevelFailure)?.code;
  const inner = ((cause as LevelFailure)?.cause as LevelFailure | undefined)?.code;
  if (code === 'LEVEL_LOCKED' || inner === 'LEVEL_LOCKED' || /lock .*(LOCK|held)/i.test(text))
    return 'locked';
  if (/no space left|file too large|quota exceeded/i.test(text)) return 'full';
  if (code === 'LEVEL_CORRUPTION' || inner === 'LEVEL_CORRUPTION' || /corruption/i.test(text))
    return 'corrupt';
  return 'io';
}
