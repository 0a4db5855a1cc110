/** A service's requests and answers as JSON: for those whose messages are few or small. */
import { Buffer } from 'node:buffer';
import { assert } from '../../stdx/index.ts';
import type { VnodeCodec } from '../vnode/index.ts';
import type { Outcome } from './outcome.ts';

/** A message is measured, then written; its text is made once for both. */
class LastText {
  #value: unknown;
  #bytes: Buffer | undefined;

  measure(value: unknown): number {
    const text = JSON.stringify(value);
    assert(text !== undefined, 'a message has a form in JSON');
    this.#value = value;
    this.#bytes = Buffer.from(text);
    return this.#bytes.length;
  }

  write(value: unknown, into: Buffer, at: number): void {
    assert(this.#value === value && this.#bytes !== undefined, 'what is written was measured just before');
    this.#bytes.copy(into, at);
    this.#value = undefined;
    this.#bytes = undefined;
  }
}

/**
 * `isRequest` is asked of what another node sent; without it everything that is JSON is taken for a request. Members
 * of a cluster are trusted, their versions may differ.
 */
export function jsonCodec<Request, Answer>(
  isRequest: (value: unknown) => value is Request = (value): value is Request => value !== undefined,
): VnodeCodec<Request, Outcome<Answer>> {
  const last = new LastText();
  return {
    requestBytes: (request) => last.measure(request),
    writeRequest: (request, into, at) => last.write(request, into, at),
    readRequest: (body) => {
      const value = parsed(body);
      return isRequest(value) ? value : undefined;
    },
    replyBytes: (reply) => last.measure(reply),
    writeReply: (reply, into, at) => last.write(reply, into, at),
    readReply: (body) => {
      const value = parsed(body);
      return isOutcome<Answer>(value) ? value : undefined;
    },
    isLast: () => true,
    unanswered: (reason) => ({ kind: 'failed', reason: reason === 'unheard' ? 'unreachable' : reason }),
    moved: (epoch) => ({ kind: 'moved', epoch }),
  };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isOutcome<Answer>(value: unknown): value is Outcome<Answer> {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  const { kind } = value;
  if (kind === 'answer') return 'answer' in value;
  return (kind === 'failed' && 'reason' in value) || (kind === 'moved' && 'epoch' in value);
}
