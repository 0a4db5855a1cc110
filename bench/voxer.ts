/**
 * A messenger's load, as Voxer had it: each send writes a message and puts its name into the inboxes of five people, each a
 * page of JSON that is read, joined with its siblings and written again. Three nodes of one machine, n=3, every write synced.
 */
import { Buffer } from 'node:buffer';
import {
  deliver,
  type InboxBucket,
  type InboxStore,
  inboxBuckets,
  messageName,
  readTimeline,
} from '../src/simulator/index.ts';
import { byteLiteral } from '../src/stdx/index.ts';
import {
  decodeContent,
  decodeMessage,
  encodeContent,
  encodeFrame,
  rpbGetReq,
  rpbGetResp,
  rpbPutReq,
  rpbSetBucketReq,
} from '../src/wire/index.ts';
import { FrameClient, measureLoop } from './load/frame-client.ts';
import { type BenchServer, startHaleCluster } from './servers.ts';

const nodes = 3;
const recipients = 5;
const pageMax = 100;
const messageBytes = 200;
/** People, and senders at once: many inboxes, and few that all write to. */
const shapes = [
  { users: 1000, senders: 16 },
  { users: 10, senders: 16 },
] as const;

export async function measureVoxer(measuredMs: number, node: string): Promise<string> {
  const lines = [
    '| people | senders at once | messages/s | deliveries/s | CPU ms/message | p50, ms | p99, ms | siblings at most | lost |',
    '|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const shape of shapes) {
    const server = await startHaleCluster(nodes, { node, settings: [] });
    try {
      lines.push(await rowOf(server, shape.users, shape.senders, measuredMs));
    } finally {
      await server.stop();
    }
  }
  lines.push(
    '',
    `A message is one write of ${messageBytes} bytes, and for each of ${recipients} inboxes two reads and a write of a page of up to`,
    `${pageMax} names. The load is made by one process beside the nodes.`,
  );
  return lines.join('\n');
}

async function rowOf(
  server: BenchServer,
  users: number,
  senders: number,
  measuredMs: number,
): Promise<string> {
  const ports = [server.ports, ...(server.otherPorts ?? [])].flatMap(({ pb }) => pb ?? []);
  const clients = await Promise.all(
    Array.from({ length: senders }, (_, at) => FrameClient.connect(ports[at % ports.length]!)),
  );
  const stores = new Map(clients.map((client) => [client, new RemoteInboxes(client)]));
  try {
    for (const bucket of inboxBuckets) {
      const props = { allow_mult: true };
      await clients[0]!.ask(encodeFrame(rpbSetBucketReq, { bucket: byteLiteral(bucket), props }));
    }
    const delivered: (readonly [user: string, name: string])[] = [];
    const send = async (client: FrameClient, index: number): Promise<void> => {
      const store = stores.get(client)!;
      const name = messageName(Date.now() / 1000, `m${index}`);
      await store.write('messages', name, Buffer.alloc(messageBytes, index), undefined);
      for (let at = 0; at < recipients; at += 1) {
        const user = `u${(index * recipients + at * 7) % users}`;
        await deliver(store, user, name, pageMax);
        delivered.push([user, name]);
      }
    };
    const run = await measureLoop(clients, send, { pids: () => server.pids, measuredMs });
    const rate = run.operations / run.seconds;
    const siblings = Math.max(...[...stores.values()].map(({ siblingsSeen }) => siblingsSeen));
    const cells = [
      users,
      senders,
      rate.toFixed(0),
      (rate * recipients).toFixed(0),
      (run.cpuMicros / 1000).toFixed(2),
      run.p50Ms.toFixed(1),
      run.p99Ms.toFixed(1),
      siblings,
      await lostOf(stores.get(clients[0]!)!, delivered),
    ];
    return `| ${cells.join(' | ')} |`;
  } finally {
    for (const client of clients) client.close();
  }
}

/** Deliveries that no inbox shows. */
async function lostOf(store: InboxStore, delivered: readonly (readonly [string, string])[]): Promise<number> {
  const inboxes = new Map<string, ReadonlySet<string>>();
  let lost = 0;
  for (const [user, name] of delivered) {
    let names = inboxes.get(user);
    if (names === undefined) {
      names = new Set((await readTimeline(store, user)).names);
      inboxes.set(user, names);
    }
    if (!names.has(name)) lost += 1;
  }
  return lost;
}

class RemoteInboxes implements InboxStore {
  siblingsSeen = 0;
  readonly #client: FrameClient;

  constructor(client: FrameClient) {
    this.#client = client;
  }

  async read(bucket: InboxBucket, key: string) {
    let values: readonly Buffer[] = [];
    let context: Buffer | undefined;
    await this.#client.ask(
      encodeFrame(rpbGetReq, { bucket: byteLiteral(bucket), key: byteLiteral(key) }),
      (body) => {
        const { content, vclock } = decodeMessage(rpbGetResp, Buffer.from(body));
        values = content.map((encoded) => decodeContent(encoded).value);
        context = vclock === undefined ? undefined : Buffer.from(vclock);
        return true;
      },
    );
    this.siblingsSeen = Math.max(this.siblingsSeen, values.length);
    return { values, context };
  }

  async write(bucket: InboxBucket, key: string, value: Buffer, context: Buffer | undefined): Promise<void> {
    const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
    const put = { bucket: byteLiteral(bucket), key: byteLiteral(key), content };
    await this.#client.ask(encodeFrame(rpbPutReq, context === undefined ? put : { ...put, vclock: context }));
  }
}
