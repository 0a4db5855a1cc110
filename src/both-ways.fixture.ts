/** Both ways to a database, for suites that run by each: a node in this process, and a node over real sockets. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { configurationWith } from './config/index.ts';
import {
  type BucketTypeProperties,
  type Database,
  HaleError,
  type HaleErrorCode,
  open,
  testCluster,
} from './index.ts';
import { nodeEnvironment, openSandboxPool, silentLog } from './runtime/index.ts';
import { ensureBucketTypes } from './server/embedded/index.ts';
import { type HaleNode, startNode } from './server/index.ts';

const bucketTypes: Readonly<Record<string, BucketTypeProperties>> = {
  counters: { datatype: 'counter' },
  sets: { datatype: 'set' },
  gsets: { datatype: 'gset' },
  hlls: { datatype: 'hll' },
  maps: { datatype: 'map' },
  plain: {},
  short: { ttl: 60 },
};

/** The machine that runs tests does other things too; these are not about overload. */
const patience = { 'overload.turn_delay': 10_000, 'overload.request_delay': 30_000 };

async function embeddedDatabase(context: TestContext): Promise<Database> {
  const cluster = await testCluster({ bucketTypes, configuration: patience });
  context.after(() => cluster.close());
  return cluster.db;
}

/** A node in memory, with a listener for Protocol Buffers alone. */
export async function servedNode(context: TestContext): Promise<HaleNode> {
  const environment = nodeEnvironment({
    log: silentLog,
    crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
  });
  const configuration = configurationWith({
    storage_backend: 'memory',
    ring_size: 8,
    'listener.http.internal': 'off',
    'listener.cluster.internal': 'off',
    'listener.protobuf.internal': { host: '127.0.0.1', port: 0 },
    drain_timeout: 500,
    ...patience,
  });
  const openSandbox = openSandboxPool(silentLog);
  const node = await startNode(configuration, { environment, version: '0.0.0', openSandbox });
  context.after(async () => {
    await node.stop();
    await environment.close();
  });
  await ensureBucketTypes(node.database.store.bucketTypes, bucketTypes);
  return node;
}

async function remoteDatabase(context: TestContext): Promise<Database> {
  const node = await servedNode(context);
  const db = await open(`hale://127.0.0.1:${node.protobufAddress!.port}`);
  context.after(() => db.close());
  return db;
}

/** The ends of the context close what is opened. */
export const bothWays: readonly (readonly [string, (context: TestContext) => Promise<Database>])[] = [
  ['embedded', embeddedDatabase],
  ['remote', remoteDatabase],
];

export const embedded = {
  directory(context: TestContext): string {
    const directory = mkdtempSync(path.join(tmpdir(), 'hale-open-'));
    context.after(() => rmSync(directory, { recursive: true }));
    return directory;
  },
  open(directory: string, types: Readonly<Record<string, BucketTypeProperties>>): Promise<Database> {
    return open(directory, { bucketTypes: types });
  },
};

export function fails(code: HaleErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof HaleError && error.code === code;
}
