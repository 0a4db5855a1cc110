/** Nodes of a cluster in this process, with real sockets on the loopback address and data in memory. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { configurationWith } from '../../config/index.ts';
import type { Address } from '../../environment/index.ts';
import { nodeEnvironment, silentLog } from '../../runtime/index.ts';
import { type HaleNode, startNode } from '../index.ts';
import { AdminFailure } from './admin-failure.ts';
import type { GrowParts } from './grow-young-cluster.ts';

const anyPort = { host: '127.0.0.1', port: 0 };
const settleMsMax = 10_000;

export class Nodes {
  readonly #context: TestContext;

  constructor(context: TestContext) {
    this.#context = context;
  }

  async start(name: string): Promise<HaleNode> {
    const environment = nodeEnvironment({
      log: silentLog,
      crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
    });
    const configuration = configurationWith({
      nodename: `${name}@127.0.0.1`,
      ring_size: 8,
      storage_backend: 'memory',
      transfer_limit: 8,
      'listener.http.internal': 'off',
      'listener.protobuf.internal': 'off',
      'listener.cluster.internal': anyPort,
    });
    const node = await startNode(configuration, { environment, version: '1.2.3' });
    this.#environments.set(node, environment);
    this.#context.after(async () => {
      await node.stop();
      await environment.close();
    });
    return node;
  }

  readonly #environments = new Map<HaleNode, ReturnType<typeof nodeEnvironment>>();

  growing(node: HaleNode): GrowParts {
    const environment = this.#environments.get(node)!;
    return { admin: node.admin, environment, isStopping: () => node.status().state === 'stopping' };
  }
}

export function addressOf(node: HaleNode): Address {
  const { address } = node.database.cluster;
  assert.ok(address !== undefined);
  return address;
}

export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + settleMsMax;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, `not in ${settleMsMax} ms: ${String(isSo)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Nothing moves, and `node` sees no reason against a plan. */
export async function isHealthy(node: HaleNode): Promise<boolean> {
  const { problems } = await node.admin.overview();
  return problems.length === 0;
}

export function isFailure(code: string): (error: unknown) => boolean {
  return (error) => error instanceof AdminFailure && error.code === code;
}
