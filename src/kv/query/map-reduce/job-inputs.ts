/** The keys that a job begins with, a slice at a time and no faster than they are worked on. */
import type { ByteString } from '../../../stdx/index.ts';
import { type BucketAddress, type KeyValueStore, KvFailure, type NameStream } from '../../key-value-store.ts';
import type { Item } from './item.ts';
import type { IndexInputs, JobInputs } from './job.ts';
import type { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import { passesFilters } from './key-filter.ts';

/** Keys of one slice of a list. */
const sliceLength = 256;

/** Finds keys by a secondary index. */
export interface IndexKeys {
  keys(query: IndexInputs, timeoutMs: number): NameStream;
}

export interface InputSources {
  readonly store: Pick<KeyValueStore, 'listKeys'>;
  readonly indexes: IndexKeys | undefined;
  readonly budget: JobBudget;
}

/** Rejects with `JobFailure`. */
export async function* inputSlices(
  inputs: JobInputs,
  sources: InputSources,
): AsyncGenerator<readonly Item[]> {
  if (inputs.kind === 'keys') {
    const { keys } = inputs;
    for (let at = 0; at < keys.length; at += sliceLength) yield keys.slice(at, at + sliceLength);
    return;
  }
  const { filters } = inputs.kind === 'bucket' ? inputs : { filters: [] };
  const names = opened(inputs, sources);
  try {
    for (let slice = await names.next(); slice !== undefined; slice = await names.next()) {
      const passing = filters.length === 0 ? slice : slice.filter((key) => passesFilters(key, filters));
      if (passing.length > 0) yield passing.map((key) => foundKey(inputs.bucket, key));
    }
  } catch (error) {
    throw failureOf(error);
  } finally {
    await names.close();
  }
}

function opened(inputs: Exclude<JobInputs, { readonly kind: 'keys' }>, sources: InputSources): NameStream {
  const { store, indexes, budget } = sources;
  const timeoutMs = budget.timeLeft();
  try {
    if (inputs.kind === 'bucket') return store.listKeys(inputs.bucket, { timeoutMs });
    if (indexes !== undefined) return indexes.keys(inputs, timeoutMs);
  } catch (error) {
    throw failureOf(error);
  }
  const error = 'index queries are not available in this version';
  throw new JobFailure({ kind: 'bad_phase', phase: 0, error });
}

function foundKey({ bucketType, bucket }: BucketAddress, key: ByteString): Item {
  return { kind: 'key', address: { bucketType, bucket, key }, keyData: undefined, isFound: true };
}

function failureOf(error: unknown): unknown {
  if (!(error instanceof KvFailure)) return error;
  const { code } = error.error;
  if (code === 'timeout' || code === 'overload') return new JobFailure({ kind: code });
  return new JobFailure({ kind: 'store', error: error.error });
}
