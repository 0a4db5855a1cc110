/** The sessions that are held with one node, each with an empty one, and what is expected of it. */
import { makeBucketType, type StartedNode, startNode } from '../started-node.ts';
import {
  bitcaskIndexAnswers,
  expectedHere,
  indexesEverywhere,
  inTimeHere,
  reasonOf,
} from './http-differences.ts';
import { type HttpExchange, httpTranscript } from './http-transcript.ts';
import type { Comparison } from './replay-http.ts';

export interface HttpSession {
  readonly name: string;
  readonly exchanges: readonly HttpExchange[];
  /** The exchange with the answer that is expected here. */
  readonly expected: (exchange: HttpExchange) => HttpExchange;
  /** Why that is not the recorded one; undefined: it is. */
  readonly reason: (name: string) => string | undefined;
}

/** By their names. Reads files. */
export function httpSessions(): readonly HttpSession[] {
  const leveldb = httpTranscript('http-session');
  const bitcask = httpTranscript('http-bitcask-session');
  const indexAnswers = bitcaskIndexAnswers(bitcask, leveldb);
  return [
    { name: 'http-session', exchanges: leveldb, expected: expectedHere, reason: reasonOf },
    {
      name: 'http-bitcask-session',
      exchanges: bitcask,
      expected: (exchange) => indexAnswers.get(exchange.name) ?? expectedHere(exchange),
      reason: (name) => (indexAnswers.has(name) ? indexesEverywhere : reasonOf(name)),
    },
    {
      name: 'http-index-session',
      exchanges: httpTranscript('http-index-session'),
      expected: expectedHere,
      reason: reasonOf,
    },
  ];
}

/** Whether an answer is the expected one. */
export function isAsExpected({ exchange, got, differences }: Comparison): boolean {
  return differences.length === 0 || (got.status === 200 && inTimeHere.get(exchange.name) === got.body);
}

/** As the recorded nodes were: they kept tombstones for a while, and had a bucket type for each data type. */
export async function startRecordedNode(...args: readonly string[]): Promise<StartedNode> {
  const node = await startNode('-o', 'delete_mode=3000', ...args);
  for (const datatype of ['counter', 'set', 'map', 'hll', 'gset']) {
    await makeBucketType(node, `${datatype}s`, { datatype });
  }
  return node;
}
