/**
 * A process that goes on after an exception nobody caught. `node … embedded`, or `node … hale://…`: of two
 * writes that are answered in one turn, the first one's signal throws inside the library. Prints what each
 * call came to, as JSON.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type Database, type HaleError, isHaleError, open, testCluster } from './index.ts';

const uncaught: string[] = [];
process.on('uncaughtException', (error) => uncaught.push(`${error.message}: ${messageOf(error.cause)}`));

const way = process.argv[2]!;
const broken = new AbortController().signal;
// A remote call first waits for its connection; what its reply then throws is first taken for the node's
// fault, and the call is ended once more.
const faultyRemovals = way === 'embedded' ? [1] : [2, 3];
let removals = 0;
Object.defineProperty(broken, 'removeEventListener', {
  value: () => {
    removals += 1;
    if (faultyRemovals.includes(removals)) throw new Error('planted');
  },
});

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return 'done';
  } catch (error) {
    if (!isHaleError(error)) throw error;
    const { code, unknownOutcome } = error;
    return { code, unknownOutcome, cause: messageOf((error.cause as HaleError | undefined)?.cause) };
  }
}

const db: Database = way === 'embedded' ? (await testCluster()).db : await open(way);
const bucket = db.bucket<number>('b');
if (way !== 'embedded') await Promise.all([bucket.put('a', 0), bucket.put('b', 0)]);
const first = outcomeOf(bucket.put('a', 1, { signal: broken, timeoutMs: 5000 }));
const second = outcomeOf(bucket.put('b', 2, { timeoutMs: 5000 }));
const outcomes = {
  first: await first,
  second: await second,
  later: await outcomeOf(bucket.get('a')),
  uncaught,
};
await db.close();
await turn();
console.log(JSON.stringify(outcomes));
process.exit();
