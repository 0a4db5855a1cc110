/**
 * Holds the recorded HTTP sessions with a node that runs: `node build/scripts/replay-transcripts.js PORT`.
 * The node should be empty, keep tombstones (`-o delete_mode=3000`) and have the active bucket types
 * counters, sets, maps, hlls and gsets. Prints what differs.
 */
import { parseArgs } from 'node:util';
import { expectedHere, notThereYet } from '../test/interop/transcripts/http-differences.ts';
import { httpTranscript } from '../test/interop/transcripts/http-transcript.ts';
import { replayHttp } from '../test/interop/transcripts/replay-http.ts';

const { values, positionals } = parseArgs({
  options: { recorded: { type: 'boolean', default: false } },
  allowPositionals: true,
});

process.exitCode = await main(Number(positionals[0]));

/** With `--recorded` compares with what was recorded, not with what is expected here. */
async function main(port: number): Promise<number> {
  if (!Number.isInteger(port)) {
    console.error('usage: replay-transcripts PORT [--recorded]');
    return 2;
  }
  let same = 0;
  let different = 0;
  for (const session of ['http-session', 'http-index-session']) {
    const expected = values.recorded ? undefined : expectedHere;
    for await (const { exchange, differences } of replayHttp(port, httpTranscript(session), expected)) {
      if (exchange.status === undefined) continue;
      if (differences.length === 0) {
        same += 1;
        continue;
      }
      different += 1;
      console.log(`${exchange.name}${notThereYet.has(exchange.name) ? ' (listed: not there yet)' : ''}`);
      console.log(`  ${exchange.ask.join(' | ')}\n  ${differences.join('\n  ')}`);
    }
  }
  console.log(`${same} as ${values.recorded ? 'recorded' : 'expected'}, ${different} different`);
  return different > notThereYet.size ? 1 : 0;
}
