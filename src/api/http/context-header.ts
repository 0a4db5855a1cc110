import { Buffer } from 'node:buffer';

/** A context in base64 that is none. The database checks the bytes; this, only their spelling. */
export class ContextHeaderError extends Error {
  override readonly name = 'ContextHeaderError';
}

/** Strict: what `Buffer.from` would skip is an error, since a context cut short must not pass as none. */
export function parseContext(header: string): Buffer {
  const text = header.trim();
  let end = text.length;
  while (end > 0 && text.length - end < 2 && text[end - 1] === '=') end -= 1;
  for (let at = 0; at < end; at += 1) {
    if (!isBase64(text.charCodeAt(at))) throw malformed();
  }
  if (end % 4 === 1 || (end !== text.length && text.length % 4 !== 0)) throw malformed();
  return Buffer.from(text, 'base64');
}

export function formatContext(context: Buffer): string {
  return context.toString('base64');
}

function malformed(): ContextHeaderError {
  return new ContextHeaderError('The context is not valid base64.\n');
}

function isBase64(code: number): boolean {
  if (code >= 0x30 && code <= 0x39) return true;
  const letter = code | 0x20;
  if (letter >= 0x61 && letter <= 0x7a) return true;
  return code === 0x2b || code === 0x2f;
}
