/** MapReduce jobs over the clients' objects, asked of any node: which writes they found, or how they failed. */

import { Buffer } from 'node:buffer';
import { JobFailure, type JobProblem, jsonOf, type MapReduceJob } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { indexOfWrites } from './cluster-clients.ts';
import type { ClusterMember } from './cluster-member.ts';
import { idOfValue } from './numbered-values.ts';

const bucketType = byteLiteral('default');
const writesMax = 999_999_999;

export type JobKind = 'values of a bucket' | 'values by index' | 'count of a bucket';

export interface FoundWrites {
  /** Of every value that was found, in order. Empty for a count. */
  readonly ids: readonly number[];
  readonly count: number;
}

export type JobResult = FoundWrites | { readonly problem: JobProblem };

/** Undefined: the node was down, or ended meanwhile. */
export async function runJobAt(
  member: ClusterMember,
  bucketName: string,
  kind: JobKind,
  timeoutMs: number,
): Promise<JobResult | undefined> {
  const result = await member.within(async ({ node }): Promise<JobResult> => {
    const values: string[] = [];
    let last = '';
    const run = node.mapReduce.start(jobOf(bucketName, kind, timeoutMs), (_phase, items) => {
      for (const item of items) {
        if (item.kind === 'term' && typeof item.term === 'string') values.push(item.term);
        else last = jsonOf(item);
      }
      return Promise.resolve();
    });
    try {
      await run.done;
    } catch (error) {
      if (error instanceof JobFailure) return { problem: error.problem };
      throw error;
    }
    const ids = values.map((value) => idOfValue(Buffer.from(value, 'latin1')));
    return {
      ids: ids.sort((a, b) => a - b),
      count: kind === 'count of a bucket' ? Number(last) : ids.length,
    };
  });
  return typeof result === 'string' ? undefined : result;
}

function jobOf(bucketName: string, kind: JobKind, timeoutMs: number): MapReduceJob {
  const bucket = { bucketType, bucket: byteLiteral(bucketName) };
  const phase = (which: 'map' | 'reduce', name: string) => ({
    kind: which,
    function: { language: 'erlang', module: 'riak_kv_mapreduce', name } as const,
    arg: undefined,
    isKept: true,
  });
  const range = { start: byteLiteral('0'), end: byteLiteral(String(writesMax)) };
  const inputs =
    kind === 'values by index'
      ? ({ kind: 'index', bucket, index: indexOfWrites, ...range } as const)
      : ({ kind: 'bucket', bucket, filters: [] } as const);
  const phases =
    kind === 'count of a bucket' ? phase('reduce', 'reduce_count_inputs') : phase('map', 'map_object_value');
  return { inputs, phases: [phases], timeoutMs };
}
