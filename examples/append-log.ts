/**
 * A durable log in a directory: 1,000 appends that share few syncs, a start that finds them again, and both
 * ends cut. Run it twice: the second run goes on where the first one ended.
 */
import { Buffer } from 'node:buffer';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLog, type WriteAheadLog } from 'hale/wal';

const directory = join(tmpdir(), 'hale-append-log');

/** Resolves when the change is durable. */
function durable(change: (done: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    change((error) => (error === undefined ? resolve() : reject(error)));
  });
}

async function appendMany(log: WriteAheadLog, count: number): Promise<void> {
  const before = log.stats.syncs;
  const appends = Array.from({ length: count }, (_, i) => {
    return durable((done) => log.append(Buffer.from(`event ${i}`), done));
  });
  await Promise.all(appends);
  console.log(`${count} records are durable, after ${log.stats.syncs - before} sync(s)`);
}

await using opened = await openLog(directory);
const { log } = opened;
console.log(`found records ${log.firstIndex} to ${log.lastIndex}; damaged: ${log.damages.length}`);
await appendMany(log, 1000);
await durable((done) => log.appendBatch([Buffer.from('both'), Buffer.from('or none')], done));
console.log(`the last two: ${log.readRange(log.lastIndex - 1, log.lastIndex + 1).join(', ')}`);
await durable((done) => log.truncateFrom(log.lastIndex, done));
console.log(`the last one now: ${log.read(log.lastIndex).toString()}`);
await durable((done) => log.dropBefore(log.lastIndex - 9, done));
console.log(`kept ${log.firstIndex} to ${log.lastIndex}`);
