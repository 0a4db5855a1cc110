/**
 * What do a get and a put cost other servers, under the same load on the same machine? Each with what it promises of a write:
 * that is most of the difference. One process each, 32 connections, one request in flight on each.
 */
import { connect } from 'node:net';
import type { BenchRun } from './bench-run.ts';
import { jetStreamBucket } from './load/peer-protocols.ts';
import type { ProtocolName } from './load/protocol.ts';
import { fillKeys, untilSettled, weighLoad } from './load/run-load.ts';
import {
  type BenchServer,
  freePort,
  patientSettings,
  startHale,
  startOther,
  startRedis,
  versionOf,
} from './servers.ts';

const keys = 10_000;
const connections = 32;
const valueSizes = [100, 1024];
const warmupMs = 500;
const answerMsMax = 10_000;

interface Peer {
  readonly name: string;
  readonly durability: string;
  readonly protocol: ProtocolName;
  /** Undefined: it is not installed. */
  readonly version: string | undefined;
  readonly start: () => Promise<BenchServer>;
}

export async function measurePeers(measuredMs: number, run: BenchRun): Promise<string> {
  const lines = [
    '| server | durability | operation | value | CPU µs/op | op/s | p50 µs | p99 µs | p99.9 µs |',
    '|---|---|---|---:|---:|---:|---:|---:|---:|',
  ];
  const absent = new Set<string>();
  for (const peer of peersOf(run)) {
    if (peer.version === undefined) {
      absent.add(peer.name);
      continue;
    }
    for (const valueBytes of valueSizes) lines.push(...(await rowsOf(peer, valueBytes, measuredMs)));
    run.report(`measured ${peer.name}, ${peer.durability}`);
  }
  const words = [...absent].map((name) => `${name}: not installed.`);
  const others = 'harperdb and @deno/kv are not measured: they have no adapter here.';
  return [...lines, '', ...words, others].join('\n');
}

function peersOf({ node }: BenchRun): readonly Peer[] {
  const haleOf = (durability: 'synced' | 'os') => () =>
    startHale({
      node,
      settings: [...patientSettings, 'buckets.default.n_val=1', `durability=${durability}`],
    });
  const redis = {
    name: 'redis-server',
    protocol: 'redis',
    version: versionOf('redis-server', ['--version']),
  } as const;
  const appendOnly = (fsync: string) => () => startRedis(['--appendonly', 'yes', '--appendfsync', fsync]);
  const hale = { name: 'hale, n=1', protocol: 'pb', version: 'this' } as const;
  return [
    { ...hale, durability: 'synced', start: haleOf('synced') },
    { ...hale, durability: 'not synced', start: haleOf('os') },
    { ...redis, durability: 'in memory only', start: () => startRedis() },
    { ...redis, durability: 'log, synced every second', start: appendOnly('everysec') },
    { ...redis, durability: 'log, synced', start: appendOnly('always') },
    {
      name: 'etcd-server',
      durability: 'synced; over its JSON gateway',
      protocol: 'etcd',
      version: versionOf('etcd', ['--version']),
      start: startEtcd,
    },
    {
      name: 'nats-server',
      durability: 'JetStream in files, synced every 2 minutes',
      protocol: 'nats',
      version: versionOf('nats-server', ['--version']),
      start: startNats,
    },
  ];
}

async function rowsOf(peer: Peer, valueBytes: number, measuredMs: number): Promise<readonly string[]> {
  const server = await peer.start();
  try {
    const port = server.ports[peer.protocol];
    if (port === undefined) throw new Error(`${peer.name} has no such port`);
    const order = { protocol: peer.protocol, port, valueBytes, keys, connections } as const;
    await fillKeys(order, server.pids);
    await untilSettled(server.pids);
    const rows: string[] = [];
    for (const operation of ['get', 'put'] as const) {
      const load = { ...order, operation, pipeline: 1, order: 'uniform', warmupMs, measuredMs } as const;
      const weighed = await weighLoad(load, server.pids);
      const { operations, seconds, serverCpuMicros, p50Micros, p99Micros, p999Micros } = weighed;
      const version = peer.version === 'this' ? '' : ` ${peer.version}`;
      const cells = [
        `${peer.name}${version}`,
        peer.durability,
        operation,
        valueBytes,
        (serverCpuMicros / operations).toFixed(1),
        (operations / seconds).toFixed(0),
        ...[p50Micros, p99Micros, p999Micros].map((micros) => micros.toFixed(0)),
      ];
      rows.push(`| ${cells.join(' | ')} |`);
    }
    return rows;
  } finally {
    await server.stop();
  }
}

async function startEtcd(): Promise<BenchServer> {
  const [etcd, peer] = [await freePort(), await freePort()];
  const [clients, peers] = [`http://127.0.0.1:${etcd}`, `http://127.0.0.1:${peer}`];
  return startOther('etcd', 'etcd', { etcd }, /ready to serve client requests/, (directory) => [
    ...['--data-dir', `${directory}/data`, '--name', 'bench'],
    ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
    ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
    ...['--initial-cluster', `bench=${peers}`],
  ]);
}

async function startNats(): Promise<BenchServer> {
  const nats = await freePort();
  const server = await startOther('nats', 'nats-server', { nats }, /Server is ready/, (directory) => [
    ...['--addr', '127.0.0.1', '--port', `${nats}`, '--jetstream', '--store_dir', `${directory}/jetstream`],
  ]);
  try {
    await createBucket(nats);
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** As its clients create a key/value store: a stream that keeps the last message of each subject. */
function createBucket(port: number): Promise<void> {
  const stream = {
    name: `KV_${jetStreamBucket}`,
    subjects: [`$KV.${jetStreamBucket}.>`],
    max_msgs_per_subject: 1,
    discard: 'new',
    storage: 'file',
    num_replicas: 1,
    allow_rollup_hdrs: true,
    allow_direct: true,
  };
  const body = JSON.stringify(stream);
  const subject = `$JS.API.STREAM.CREATE.${stream.name}`;
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (error?: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const timer = setTimeout(() => end(new Error('nats-server did not create the bucket')), answerMsMax);
    let heard = '';
    socket.on('error', end);
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
      if (heard.includes('"created"')) end();
      else if (heard.includes('"error"')) end(new Error(heard));
    });
    socket.write(
      `CONNECT {"verbose":false}\r\nSUB _INBOX.create 1\r\nPUB ${subject} _INBOX.create ${body.length}\r\n${body}\r\n`,
    );
  });
}
