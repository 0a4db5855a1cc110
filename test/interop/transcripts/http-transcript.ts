/**
 * Sessions of curl with a Riak 3.4 node (one node, ring of 64), one exchange a line: `http-session` and
 * `http-index-session` with its LevelDB backend, `http-bitcask-session` with its Bitcask backend. Exchanges of the same name
 * in the first and the last are the same request.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { repositoryRoot } from '../../../scripts/source-files.ts';

export interface HttpExchange {
  readonly name: string;
  /** Method, path, header lines; names in braces as in `bindings.ts`. */
  readonly ask: readonly [method: string, path: string, ...headers: string[]];
  readonly send?: string;
  readonly version?: string;
  /** To wait before it is asked. */
  readonly pauseMs?: number;
  /** Whether lists of the answer have an order. */
  readonly ordered?: boolean;
  readonly status?: number;
  /** All but those of the connection and the length. Absent: anything. */
  readonly headers?: Readonly<Record<string, string>>;
  /** `{page}` is any page of HTML. Absent or null: anything; it was not kept. */
  readonly body?: string | null;
  /** The exchange was not recorded; a later one sends what these headers (or the body's `context`) say. */
  readonly learn?: Readonly<Record<string, string>>;
}

export function httpTranscript(name: string): readonly HttpExchange[] {
  const file = path.join(repositoryRoot, 'test/interop/transcripts', `${name}.jsonl`);
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as HttpExchange);
}
