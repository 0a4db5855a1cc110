/** A job's reads: as patient with a busy node as the job has time. */
import type { GetResult, ObjectAddress } from '../../key-value-store.ts';
import type { VersionedObject } from '../../object/index.ts';
import { JobFailure } from './job-failure.ts';
import type { PhaseTools } from './phase.ts';

const firstWaitMs = 10;
const waitMsMax = 500;

export interface ReadSubject {
  readonly object: VersionedObject | undefined;
  readonly isDeleted: boolean;
}

/** With the quorum of the bucket, so that what was acknowledged is seen. Rejects with `JobFailure`. */
export async function readObject(tools: PhaseTools, address: ObjectAddress): Promise<ReadSubject> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(2 * waitMs, waitMsMax)) {
    const result = await get(tools, address);
    switch (result.kind) {
      case 'found':
        return { object: result.object, isDeleted: false };
      case 'notfound':
        return { object: undefined, isDeleted: result.tombstone !== undefined };
      case 'failed':
        if (result.error.code !== 'overload') throw failureOf(result);
        // Requests of clients come first; this job has until its deadline.
        await tools.wait(waitMs);
        break;
      default:
        throw new JobFailure({ kind: 'store', error: { code: 'timeout' } });
    }
  }
}

function get({ store, budget }: PhaseTools, address: ObjectAddress): Promise<GetResult> {
  const timeoutMs = budget.timeLeft();
  return new Promise((resolve) => store.get({ ...address, timeoutMs }, resolve));
}

function failureOf({ error }: Extract<GetResult, { readonly kind: 'failed' }>): JobFailure {
  return new JobFailure(error.code === 'timeout' ? { kind: 'timeout' } : { kind: 'store', error });
}
