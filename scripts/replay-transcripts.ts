/**
 * Holds the recorded sessions with nodes of its own, each an empty one: `npm run transcripts`. Or with a node that runs:
 * `node build/scripts/replay-transcripts.js HTTP_PORT [PROTOBUF_PORT]`, which should be empty, keep tombstones
 * (`-o delete_mode=3000`) and have the active bucket types counters, sets, maps, hlls and gsets; for Protocol Buffers also a
 * ring of 64 and the name riakldb@127.0.0.1. Prints what differs from what was recorded, and why.
 */
import { parseArgs } from 'node:util';
import { type FrameSession, frameSessions } from '../test/interop/golden/frame-sessions.ts';
import { FrameReplay } from '../test/interop/golden/replay-frames.ts';
import { FrameClient } from '../test/interop/protobuf/served-node.ts';
import {
  type HttpSession,
  httpSessions,
  isAsExpected,
  startRecordedNode,
} from '../test/interop/transcripts/http-sessions.ts';
import { replayHttp } from '../test/interop/transcripts/replay-http.ts';

const { values, positionals } = parseArgs({
  options: { recorded: { type: 'boolean', default: false } },
  allowPositionals: true,
});

/** Of a session, or of several. */
class Tally {
  same = 0;
  /** As listed. */
  intended = 0;
  different = 0;

  add({ same, intended, different }: Tally): void {
    this.same += same;
    this.intended += intended;
    this.different += different;
  }

  get text(): string {
    const { same, intended, different } = this;
    const compared = same + intended + different;
    return `${compared} compared: ${same} as recorded, ${intended} otherwise on purpose, ${different} different`;
  }
}

process.exitCode = positionals.length === 0 ? await withNodes() : await withRunning(positionals.map(Number));

async function withNodes(): Promise<number> {
  const overHttp = new Tally();
  for (const session of httpSessions()) {
    await using node = await startRecordedNode();
    overHttp.add(await holdOverHttp(node.httpPort, session));
  }
  const overProtobuf = new Tally();
  for (const session of frameSessions) {
    await using node = await startRecordedNode('--name', session.nodeName, '-o', 'ring_size=64');
    overProtobuf.add(await holdOverProtobuf(node.protobufPort, session, false));
  }
  console.log(`\nHTTP: ${overHttp.text}\nProtocol Buffers: ${overProtobuf.text}`);
  return overHttp.different + overProtobuf.different === 0 ? 0 : 1;
}

async function withRunning([httpPort, protobufPort]: readonly number[]): Promise<number> {
  if (!Number.isInteger(httpPort) || (protobufPort !== undefined && !Number.isInteger(protobufPort))) {
    console.error('usage: replay-transcripts [HTTP_PORT [PROTOBUF_PORT]] [--recorded]');
    return 2;
  }
  const tally = new Tally();
  // That with Bitcask writes the same keys.
  for (const session of httpSessions().filter(({ name }) => name !== 'http-bitcask-session')) {
    tally.add(await holdOverHttp(httpPort!, session));
  }
  if (protobufPort !== undefined) tally.add(await holdOverProtobuf(protobufPort, frameSessions[0]!, true));
  return tally.different === 0 ? 0 : 1;
}

/** With `--recorded` it is compared with what was recorded, not with what is expected here. */
async function holdOverHttp(
  port: number,
  { name, exchanges, expected, reason }: HttpSession,
): Promise<Tally> {
  console.log(`\n${name}`);
  const tally = new Tally();
  for await (const comparison of replayHttp(port, exchanges, values.recorded ? undefined : expected)) {
    const { exchange, differences } = comparison;
    // In brackets is what only prepares the next ones.
    if (exchange.status === undefined || exchange.name.startsWith('(')) continue;
    const why = reason(exchange.name);
    if (!isAsExpected(comparison)) {
      tally.different += 1;
      console.log(
        `  DIFFERENT ${exchange.name}\n    ${[exchange.ask.join(' | '), ...differences].join('\n    ')}`,
      );
    } else if (why === undefined) tally.same += 1;
    else {
      tally.intended += 1;
      console.log(`  ${exchange.name}\n    on purpose: ${why}`);
    }
  }
  console.log(`  ${tally.text}`);
  return tally;
}

/** `others`: the node holds buckets that no exchange of the session has written. */
async function holdOverProtobuf(port: number, session: FrameSession, others: boolean): Promise<Tally> {
  console.log(`\nProtocol Buffers, ${session.name}`);
  using client = await FrameClient.connect(port);
  const replay = new FrameReplay(client, { others });
  const tally = new Tally();
  const checks = [
    ...session.exchanges.map((exchange) => ({ name: exchange.name, run: () => replay.check(exchange) })),
    ...session.otherwise.map((exchange) => ({
      name: exchange.name,
      run: () => replay.checkOtherwise(exchange),
    })),
  ];
  for (const { name, run } of checks) {
    const why = session.reasons.get(name);
    try {
      await run();
    } catch (error) {
      tally.different += 1;
      console.log(`  DIFFERENT ${name}\n    ${error instanceof Error ? error.message : String(error)}`);
      continue;
    }
    if (why === undefined) tally.same += 1;
    else {
      tally.intended += 1;
      console.log(`  ${name}\n    on purpose: ${why}`);
    }
  }
  console.log(`  ${tally.text}`);
  return tally;
}
