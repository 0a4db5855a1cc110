/** The keys that a job begins with, a slice at a time and no faster than they are worked on. */
import type { ByteString } from '../../../stdx/index.ts';
import { type BucketAddress, type KeyValueStore, KvFailure } from '../../key-value-store.ts';
import type { IndexQuerying } from '../index-queries.ts';
import type { TermRange } from '../index-request.ts';
import type { Item } from './item.ts';
import type { IndexInputs, JobInputs } from './job.ts';
import type { JobBudget } from './job-budget.ts';
import { JobFailure } from './job-failure.ts';
import { type KeyFilter, passesFilters } from './key-filter.ts';

/** Keys of one slice of a list. */
const sliceLength = 256;
/** Milliseconds of filtering before others have a turn. */
const filterMsMax = 5;

export interface InputSources {
  readonly store: Pick<KeyValueStore, 'listKeys'>;
  readonly indexes: IndexQuerying | undefined;
  readonly budget: JobBudget;
}

/** Keys as they are found. */
interface KeyStream {
  next(): Promise<readonly ByteString[] | undefined>;
  close(): Promise<void>;
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
  const keys = opened(inputs, sources);
  try {
    for (let slice = await keys.next(); slice !== undefined; slice = await keys.next()) {
      const passing = filters.length === 0 ? slice : await passingOf(slice, filters, sources.budget);
      if (passing.length > 0) yield passing.map((key) => foundKey(inputs.bucket, key));
    }
  } catch (error) {
    throw failureOf(error);
  } finally {
    await keys.close();
  }
}

/** A key may take as long as its filters are large: no slice is held on to from end to end. */
async function passingOf(
  keys: readonly ByteString[],
  filters: readonly KeyFilter[],
  budget: JobBudget,
): Promise<readonly ByteString[]> {
  const passing: ByteString[] = [];
  let left = budget.timeLeft();
  for (const key of keys) {
    if (passesFilters(key, filters)) passing.push(key);
    const now = budget.timeLeft();
    if (left - now < filterMsMax) continue;
    await budget.pause();
    left = budget.timeLeft();
  }
  return passing;
}

function opened(
  inputs: Exclude<JobInputs, { readonly kind: 'keys' }>,
  { store, indexes, budget }: InputSources,
): KeyStream {
  const timeoutMs = budget.timeLeft();
  try {
    if (inputs.kind === 'bucket') return store.listKeys(inputs.bucket, { timeoutMs });
    if (indexes !== undefined) return indexedKeys(inputs, indexes, timeoutMs);
  } catch (error) {
    throw failureOf(error);
  }
  const error = 'secondary indexes are not available here';
  throw new JobFailure({ kind: 'bad_phase', phase: 0, error });
}

/** A key with several terms in the range is found for each of them. */
function indexedKeys(inputs: IndexInputs, indexes: IndexQuerying, timeoutMs: number): KeyStream {
  const { bucket, index: field, start, end } = inputs;
  const range: TermRange =
    end === undefined ? { kind: 'equal', term: start } : { kind: 'between', from: start, to: end };
  const results = indexes.query({ ...bucket, field, range, timeoutMs });
  return {
    next: async () => (await results.next())?.map(({ key }) => key),
    close: () => results.close(),
  };
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
