/** What do updates and fetches of data types cost, beside a plain get and put of the same run? */
import { Buffer } from 'node:buffer';
import { bytesOfText } from '../src/stdx/index.ts';
import {
  dtFetchReq,
  dtUpdateReq,
  encodeContent,
  encodeFrame,
  mapFieldType,
  rpbGetReq,
  rpbPutReq,
} from '../src/wire/index.ts';
import { FrameClient, type LoopResult, measureLoop } from './load/frame-client.ts';
import { type BenchServer, startHale } from './servers.ts';

const connections = 32;
const keys = 1000;
const valueBytes = 100;
const smallSet = 10;
const largeSet = 10_000;
const bucketTypes = { counters: 'counter', sets: 'set', maps: 'map', hlls: 'hll' } as const;

type TypeName = keyof typeof bucketTypes;

export async function measureDatatypes(measuredMs: number, node: string): Promise<string> {
  const server = await startHale({ node, settings: [] });
  try {
    await makeTypes(server);
    const port = server.ports.pb!;
    const clients = await Promise.all(Array.from({ length: connections }, () => FrameClient.connect(port)));
    const run = (frameOf: (index: number) => Buffer) =>
      measureLoop(clients, (client, index) => client.ask(frameOf(index)), {
        pids: () => server.pids,
        measuredMs,
      });
    const rows: string[] = [];
    await clients[0]!.askAll(keys, (index) => put(keyOf(index)));
    rows.push(rowOf('plain put, 100 B', await run((index) => put(keyOf(index)))));
    rows.push(rowOf('plain get, 100 B', await run((index) => get(keyOf(index)))));
    rows.push(
      rowOf('increment a counter', await run((index) => update('counters', keyOf(index), increment))),
    );
    rows.push(rowOf('fetch a counter', await run((index) => fetched('counters', keyOf(index)))));
    for (const [label, size, count] of [
      [`a set of ${smallSet}`, smallSet, keys],
      [`a set of ${largeSet.toLocaleString('en')}`, largeSet, 1],
    ] as const) {
      const set = (index: number) => `${size} ${index % count}`;
      for (let at = 0; at < count; at += 1) await clients[0]!.ask(update('sets', set(at), addOf(0, size)));
      // Elements that are there already: the set keeps its size.
      rows.push(
        rowOf(`add to ${label}`, await run((index) => update('sets', set(index), addOf(index % size, 1)))),
      );
      rows.push(rowOf(`fetch ${label}`, await run((index) => fetched('sets', set(index)))));
    }
    rows.push(
      rowOf('update a map of 3 fields', await run((index) => update('maps', keyOf(index), mapUpdate(index)))),
    );
    rows.push(rowOf('fetch a map of 3 fields', await run((index) => fetched('maps', keyOf(index)))));
    rows.push(
      rowOf(
        'add to a sketch',
        await run((index) => update('hlls', keyOf(index), { hll_op: { adds: [element(index)] } })),
      ),
    );
    rows.push(rowOf('fetch a sketch', await run((index) => fetched('hlls', keyOf(index)))));
    for (const client of clients) client.close();
    const head = [`One node, n=3, ${connections} connections, ${keys} keys; one key of the large set.`, ''];
    return [
      ...head,
      '| operation | CPU µs/op | op/s | p50, ms | p99, ms |',
      '|---|---:|---:|---:|---:|',
      ...rows,
    ].join('\n');
  } finally {
    await server.stop();
  }
}

async function makeTypes(server: BenchServer): Promise<void> {
  for (const [name, datatype] of Object.entries(bucketTypes)) {
    for (const step of ['create', 'activate']) {
      const answer = await fetch(`http://127.0.0.1:${server.ports.http}/admin/v1/bucket-types/${step}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name, props: { datatype } }),
      });
      if (!answer.ok) throw new Error(await answer.text());
    }
  }
}

function rowOf(label: string, { operations, seconds, cpuMicros, p50Ms, p99Ms }: LoopResult): string {
  const cells = [cpuMicros.toFixed(1), (operations / seconds).toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2)];
  return `| ${label} | ${cells.join(' | ')} |`;
}

function keyOf(index: number): string {
  return `k${index % keys}`;
}

function put(key: string): Buffer {
  const value = Buffer.alloc(valueBytes, 'v');
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  return encodeFrame(rpbPutReq, { bucket: bytesOfText('bench'), key: bytesOfText(key), content });
}

function get(key: string): Buffer {
  return encodeFrame(rpbGetReq, { bucket: bytesOfText('bench'), key: bytesOfText(key) });
}

function fetched(type: TypeName, key: string): Buffer {
  const names = { bucket: bytesOfText('bench'), key: bytesOfText(key), type: bytesOfText(type) };
  return encodeFrame(dtFetchReq, names);
}

type Operation = Parameters<typeof encodeFrame<never>>[1];

function update(type: TypeName, key: string, op: object): Buffer {
  const names = { bucket: bytesOfText('bench'), key: bytesOfText(key), type: bytesOfText(type) };
  return encodeFrame(dtUpdateReq, { ...names, op: op as Operation });
}

const increment = { counter_op: { increment: 1n } };

function element(index: number) {
  return bytesOfText(`element ${index}`.padEnd(16));
}

function addOf(from: number, count: number): object {
  const adds = Array.from({ length: count }, (_, i) => element(from + i));
  return { set_op: { adds, removes: [] } };
}

function mapUpdate(index: number): object {
  const field = (name: string, type: keyof typeof mapFieldType) => ({
    name: bytesOfText(name),
    type: mapFieldType[type],
  });
  const updates = [
    { field: field('visits', 'counter'), counter_op: { increment: 1n } },
    { field: field('name', 'register'), register_op: element(index) },
    { field: field('tags', 'set'), set_op: { adds: [element(index % smallSet)], removes: [] } },
  ];
  return { map_op: { removes: [], updates } };
}
