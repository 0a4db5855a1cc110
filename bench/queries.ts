/** What do index queries, listings and MapReduce jobs cost, for each result, beside a plain get and put of the same run? */
import { Buffer } from 'node:buffer';
import { readdirSync, readFileSync } from 'node:fs';
import { bytesOfText } from '../src/stdx/index.ts';
import {
  decodeMessage,
  encodeContent,
  encodeFrame,
  indexQueryType,
  rpbGetReq,
  rpbIndexReq,
  rpbIndexResp,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbMapRedReq,
  rpbMapRedResp,
  rpbPutReq,
} from '../src/wire/index.ts';
import { FrameClient, type LoopResult, measureLoop } from './load/frame-client.ts';
import { residentBytes } from './load/run-load.ts';
import { type BenchServer, startHale } from './servers.ts';

const connections = 8;
const bucket = bytesOfText('bench');
const indexField = bytesOfText('number_int');
const tableHead = [
  '| query | results | CPU µs/result | results/s | p50, ms | p99, ms |',
  '|---|---:|---:|---:|---:|---:|',
];

/** `objects`: so many have an index entry each. */
export function measureIndexQueries(objects: number, measuredMs: number, node: string): Promise<string> {
  return withObjects(objects, node, true, async (server, clients) => {
    const rows = await pointRows(server, clients, objects, measuredMs);
    for (const results of [10, 1000, 100_000]) {
      if (results > objects) continue;
      const query = async (client: FrameClient, index: number) => {
        const from = (index * 7919) % (objects - results + 1);
        let found = 0;
        await client.ask(indexQuery(from, from + results - 1), (body) => {
          const { keys, done } = decodeMessage(rpbIndexResp, body);
          found += keys.length;
          return done === true;
        });
        expectResults(found, results);
      };
      const askers = results > 10_000 ? clients.slice(0, 1) : clients;
      const run = await measureLoop(askers, query, { pids: () => server.pids, measuredMs });
      rows.push(rowOf('index range, streamed', results, run));
    }
    return [`${objects.toLocaleString('en')} objects with one entry each.`, '', ...tableHead, ...rows].join(
      '\n',
    );
  });
}

export function measureListing(keys: number, node: string): Promise<string> {
  return withObjects(keys, node, false, async (server, clients) => {
    const rows = await pointRows(server, clients, keys, 1000);
    const before = residentBytes(server.pids[0]!);
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, residentBytes(server.pids[0]!));
    }, 50);
    try {
      const list = async (client: FrameClient) => {
        let found = 0;
        await client.ask(encodeFrame(rpbListKeysReq, { bucket }), (body) => {
          const { keys: names, done } = decodeMessage(rpbListKeysResp, body);
          found += names.length;
          return done === true;
        });
        expectResults(found, keys);
      };
      const run = await measureLoop(clients.slice(0, 1), list, {
        pids: () => server.pids,
        measuredMs: 0,
        operationsMin: 3,
      });
      rows.push(rowOf('listing of keys', keys, run));
    } finally {
      clearInterval(watch);
    }
    const more = ((peak - before) / 2 ** 20).toFixed(0);
    return [...tableHead, ...rows, '', `Resident memory during the listings: at most ${more} MB more.`].join(
      '\n',
    );
  });
}

export function measureMapReduce(objects: number, node: string): Promise<string> {
  return withObjects(objects, node, false, async (server, clients) => {
    const rows = await pointRows(server, clients, objects, 1000);
    const erlang = (kind: string, name: string) => ({
      [kind]: { language: 'erlang', module: 'riak_kv_mapreduce', function: name },
    });
    const script = (kind: string, what: object) => ({ [kind]: { language: 'javascript', ...what } });
    const source = 'function(v) { return [JSON.parse(v.values[0].data).n % 7]; }';
    const jobs: readonly (readonly [string, readonly object[]])[] = [
      ['count keys (built-in reduce)', [erlang('reduce', 'reduce_count_inputs')]],
      [
        'read all, count (built-in map and reduce)',
        [erlang('map', 'map_object_value'), erlang('reduce', 'reduce_count_inputs')],
      ],
      [
        'Riak.mapValuesJson, count',
        [script('map', { name: 'Riak.mapValuesJson' }), erlang('reduce', 'reduce_count_inputs')],
      ],
      [
        'JavaScript map and Riak.reduceSum',
        [script('map', { source }), script('reduce', { name: 'Riak.reduceSum' })],
      ],
    ];
    for (const [label, query] of jobs) {
      const request = Buffer.from(JSON.stringify({ inputs: 'bench', query, timeout: 600_000 }));
      const frame = encodeFrame(rpbMapRedReq, { request, content_type: bytesOfText('application/json') });
      const ask = (client: FrameClient) =>
        client.ask(frame, (body) => decodeMessage(rpbMapRedResp, body).done === true);
      // The first starts the processes.
      await ask(clients[0]!);
      const pids = () => [...server.pids, ...childrenOf(server.pids[0]!)];
      const run = await measureLoop(clients.slice(0, 1), ask, { pids, measuredMs: 0, operationsMin: 2 });
      rows.push(rowOf(label, objects, run));
    }
    const head = `${objects.toLocaleString('en')} objects of 40 bytes of JSON; results are inputs; CPU with that of the sandboxes.`;
    return [head, '', ...tableHead, ...rows].join('\n');
  });
}

async function withObjects(
  count: number,
  node: string,
  isIndexed: boolean,
  measure: (server: BenchServer, clients: readonly FrameClient[]) => Promise<string>,
): Promise<string> {
  const settings = ['mapreduce.script_time.maximum=600s', 'mapreduce.held.maximum=1GB'];
  const server = await startHale({ node, settings });
  try {
    const clients = await Promise.all(
      Array.from({ length: connections }, () => FrameClient.connect(server.ports.pb!)),
    );
    const share = Math.ceil(count / connections);
    await Promise.all(
      clients.map((client, i) =>
        client.askAll(Math.max(0, Math.min(share, count - i * share)), (at) =>
          put(i * share + at, isIndexed),
        ),
      ),
    );
    const text = await measure(server, clients);
    for (const client of clients) client.close();
    return text;
  } finally {
    await server.stop();
  }
}

/** For comparison. */
async function pointRows(
  server: BenchServer,
  clients: readonly FrameClient[],
  objects: number,
  measuredMs: number,
): Promise<string[]> {
  const options = { pids: () => server.pids, measuredMs };
  const frame = (index: number) => encodeFrame(rpbGetReq, { bucket, key: keyOf((index * 7919) % objects) });
  const gets = await measureLoop(clients, (client, index) => client.ask(frame(index)), options);
  const puts = await measureLoop(
    clients,
    (client, index) => client.ask(put(index % objects, false, 'other')),
    options,
  );
  return [rowOf('plain get', 1, gets), rowOf('plain put', 1, puts)];
}

function rowOf(
  label: string,
  results: number,
  { operations, seconds, cpuMicros, p50Ms, p99Ms }: LoopResult,
): string {
  const cells = [
    label,
    results.toLocaleString('en'),
    (cpuMicros / results).toFixed(2),
    ((operations * results) / seconds).toFixed(0),
    p50Ms.toFixed(2),
    p99Ms.toFixed(2),
  ];
  return `| ${cells.join(' | ')} |`;
}

function expectResults(found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${found} results instead of ${wanted}`);
}

function keyOf(index: number) {
  return bytesOfText(`key ${index}`);
}

function put(index: number, isIndexed: boolean, into?: string): Buffer {
  const value = Buffer.from(`{"n":${index}}`.padEnd(40));
  const indexes = isIndexed ? [{ key: indexField, value: bytesOfText(`${index}`) }] : [];
  const contentType = bytesOfText('application/json');
  const content = encodeContent({ value, contentType, links: [], userMeta: [], indexes, deleted: false });
  return encodeFrame(rpbPutReq, {
    bucket: into === undefined ? bucket : bytesOfText(into),
    key: keyOf(index),
    content,
  });
}

function indexQuery(from: number, to: number): Buffer {
  return encodeFrame(rpbIndexReq, {
    bucket,
    index: indexField,
    qtype: indexQueryType.range,
    range_min: bytesOfText(`${from}`),
    range_max: bytesOfText(`${to}`),
    stream: true,
  });
}

/** Linux tells it. */
function childrenOf(parent: number): readonly number[] {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return processes.map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent;
    } catch {
      return false;
    }
  });
}
