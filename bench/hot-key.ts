/**
 * What do 32 writers of one key do to it? Throughput, and how large the object gets: where the last write is shown, where
 * each client reads, merges what it sees and writes that with its context, and where nobody says what was read.
 */
import { Buffer } from 'node:buffer';
import { byteLiteral } from '../src/stdx/index.ts';
import {
  decodeMessage,
  encodeContent,
  encodeFrame,
  rpbGetReq,
  rpbGetResp,
  rpbPutReq,
} from '../src/wire/index.ts';
import { FrameClient, measureLoop } from './load/frame-client.ts';
import { type BenchServer, startHale, startHaleCluster } from './servers.ts';

const writers = 32;
const valueBytes = 100;
const address = { bucket: byteLiteral('bench'), key: byteLiteral('hot') };
const content = encodeContent({
  value: Buffer.alloc(valueBytes, 'x'),
  links: [],
  userMeta: [],
  indexes: [],
  deleted: false,
});

/** What a writer has seen when it has written once. `refused`: the object has as many siblings as it may. */
interface Written {
  readonly refused: boolean;
  readonly siblings: number;
}

interface Manner {
  readonly label: string;
  readonly allowMult: boolean;
  readonly write: (client: FrameClient) => Promise<Written>;
}

async function writeBlindly(client: FrameClient): Promise<Written> {
  return { refused: await isRefused(client, undefined), siblings: 0 };
}

/** All siblings are one value of the same size here: what merging them costs a client is not the question. */
async function readMergeWrite(client: FrameClient): Promise<Written> {
  const { siblings, context } = await read(client);
  return { refused: await isRefused(client, context), siblings };
}

const manners: readonly Manner[] = [
  { label: 'blind, the last write is shown', allowMult: false, write: writeBlindly },
  { label: 'read, merge, write', allowMult: true, write: readMergeWrite },
  { label: 'blind, siblings kept', allowMult: true, write: writeBlindly },
];

export async function measureHotKey(measuredMs: number, node: string): Promise<string> {
  const lines = [
    '| servers | writers | written/s | refused/s | CPU µs/write | p50, ms | p99, ms | siblings at most | left |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|',
  ];
  const subjects: readonly (readonly [string, (settings: readonly string[]) => Promise<BenchServer>])[] = [
    ['one node, n=3', (settings) => startHale({ node, settings })],
    ['three nodes, n=3', (settings) => startHaleCluster(3, { node, settings })],
  ];
  for (const [label, start] of subjects) {
    for (const manner of manners) {
      const server = await start([`buckets.default.allow_mult=${manner.allowMult}`]);
      try {
        lines.push(`| ${[label, ...(await cellsOf(manner, server, measuredMs))].join(' | ')} |`);
      } finally {
        await server.stop();
      }
    }
  }
  lines.push(
    '',
    `${writers} writers, one request at a time each; the limits are the defaults. Time and CPU are of all that a writer does, the read`,
    'included, and whatever comes of it. A refusal is `too_many_siblings`, or `dw_val_unsatisfied` where the coordinator had room and two replicas had none: who keeps siblings and does not say what was read adds',
    'one with each write, until `object.siblings.maximum` of them are there.',
  );
  return lines.join('\n');
}

async function cellsOf(manner: Manner, server: BenchServer, measuredMs: number): Promise<readonly string[]> {
  const ports = [server.ports, ...(server.otherPorts ?? [])].flatMap(({ pb }) => pb ?? []);
  const clients = await Promise.all(
    Array.from({ length: writers }, (_, at) => FrameClient.connect(ports[at % ports.length]!)),
  );
  let refused = 0;
  let most = 0;
  try {
    const operate = async (client: FrameClient): Promise<void> => {
      const written = await manner.write(client);
      if (written.refused) refused += 1;
      most = Math.max(most, written.siblings);
    };
    const run = await measureLoop(clients, operate, {
      pids: () => server.pids,
      measuredMs,
      warmedUp: () => (refused = 0),
    });
    const left = (await read(clients[0]!)).siblings;
    return [
      manner.label,
      ((run.operations - refused) / run.seconds).toFixed(0),
      (refused / run.seconds).toFixed(0),
      run.cpuMicros.toFixed(1),
      run.p50Ms.toFixed(2),
      run.p99Ms.toFixed(2),
      `${Math.max(most, left)}`,
      `${left}`,
    ];
  } finally {
    for (const client of clients) client.close();
  }
}

async function read(
  client: FrameClient,
): Promise<{ readonly siblings: number; readonly context: Buffer | undefined }> {
  let siblings = 0;
  let context: Buffer | undefined;
  await client.ask(encodeFrame(rpbGetReq, address), (body) => {
    const reply = decodeMessage(rpbGetResp, Buffer.from(body));
    siblings = reply.content.length;
    context = reply.vclock === undefined ? undefined : Buffer.from(reply.vclock);
    return true;
  });
  return { siblings, context };
}

async function isRefused(client: FrameClient, context: Buffer | undefined): Promise<boolean> {
  const put = { ...address, content };
  try {
    await client.ask(encodeFrame(rpbPutReq, context === undefined ? put : { ...put, vclock: context }));
    return false;
  } catch (error) {
    // The second where two replicas refuse what the coordinator's own had room for: its siblings are not theirs yet.
    if (/too_many_siblings|dw_val_unsatisfied/.test((error as Error).message)) return true;
    throw error;
  }
}
