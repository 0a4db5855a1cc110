/**
 * Holds the recorded sessions with a node that runs: `node build/scripts/replay-transcripts.js HTTP_PORT PROTOBUF_PORT`.
 * The node should be empty, keep tombstones (`-o delete_mode=3000`) and have the active bucket types
 * counters, sets, maps, hlls and gsets; for Protocol Buffers also a ring of 64 and the name riakldb@127.0.0.1.
 * Prints what differs.
 */
import { parseArgs } from 'node:util';
import { answeredOtherwise } from '../test/interop/golden/answered-otherwise.ts';
import { observedExchanges } from '../test/interop/golden/observed-frames.ts';
import { FrameReplay } from '../test/interop/golden/replay-frames.ts';
import { FrameClient } from '../test/interop/protobuf/served-node.ts';
import { expectedHere, inTimeHere, notThereYet } from '../test/interop/transcripts/http-differences.ts';
import { httpTranscript } from '../test/interop/transcripts/http-transcript.ts';
import { replayHttp } from '../test/interop/transcripts/replay-http.ts';

const { values, positionals } = parseArgs({
  options: { recorded: { type: 'boolean', default: false } },
  allowPositionals: true,
});

process.exitCode = await main(positionals.map(Number));

/** With `--recorded` HTTP is compared with what was recorded, not with what is expected here. */
async function main([httpPort, protobufPort]: readonly number[]): Promise<number> {
  if (!Number.isInteger(httpPort) || (protobufPort !== undefined && !Number.isInteger(protobufPort))) {
    console.error('usage: replay-transcripts HTTP_PORT [PROTOBUF_PORT] [--recorded]');
    return 2;
  }
  const overHttp = await heldOverHttp(httpPort!);
  const overProtobuf = protobufPort === undefined ? true : await heldOverProtobuf(protobufPort);
  return overHttp && overProtobuf ? 0 : 1;
}

async function heldOverHttp(port: number): Promise<boolean> {
  let same = 0;
  let different = 0;
  for (const session of ['http-session', 'http-index-session']) {
    const expected = values.recorded ? undefined : expectedHere;
    for await (const { exchange, differences, got } of replayHttp(port, httpTranscript(session), expected)) {
      if (exchange.status === undefined) continue;
      const isInTime = got.status === 200 && inTimeHere.get(exchange.name) === got.body;
      if (differences.length === 0 || isInTime) {
        same += 1;
        continue;
      }
      different += 1;
      console.log(`${exchange.name}${notThereYet.has(exchange.name) ? ' (listed: not there yet)' : ''}`);
      console.log(`  ${exchange.ask.join(' | ')}\n  ${differences.join('\n  ')}`);
    }
  }
  console.log(`HTTP: ${same} as ${values.recorded ? 'recorded' : 'expected'}, ${different} different`);
  return different <= notThereYet.size;
}

async function heldOverProtobuf(port: number): Promise<boolean> {
  using client = await FrameClient.connect(port);
  const replay = new FrameReplay(client, { others: true });
  const checks = [
    ...observedExchanges.map((exchange) => ({ name: exchange.name, run: () => replay.check(exchange) })),
    ...answeredOtherwise.map((exchange) => ({
      name: exchange.name,
      run: () => replay.checkOtherwise(exchange),
    })),
  ];
  let different = 0;
  for (const { name, run } of checks) {
    try {
      await run();
    } catch (error) {
      different += 1;
      console.log(`${name}\n  ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  console.log(`Protocol Buffers: ${checks.length - different} as expected, ${different} different`);
  return different === 0;
}
