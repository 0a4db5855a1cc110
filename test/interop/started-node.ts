/** A node as the process that users start, on free ports, with its own empty data directory. */
import assert from 'node:assert/strict';
import { type HaleProcess, HaleSandbox } from '../e2e/hale-process.ts';

export interface StartedNode extends AsyncDisposable {
  readonly process: HaleProcess;
  readonly httpPort: number;
  readonly protobufPort: number;
}

/**
 * Resolves when the node serves. Deletes leave no tombstone unless the arguments say so: that is how
 * the authors of Riak's client libraries configure the nodes that they test against.
 */
export async function startNode(...args: readonly string[]): Promise<StartedNode> {
  const sandbox = new HaleSandbox();
  try {
    const started = await sandbox.start('--name', 'riak@127.0.0.1', '-o', 'delete_mode=immediate', ...args);
    return {
      process: started,
      httpPort: Number(new URL(started.url).port),
      protobufPort: started.protobufPort,
      [Symbol.asyncDispose]: () => sandbox.close(),
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
}

/** An active bucket type, made as an administrator does. */
export async function makeBucketType(node: StartedNode, name: string, props: object = {}): Promise<void> {
  for (const [action, body] of [
    ['create', { name, props }],
    ['activate', { name }],
  ] as const) {
    const url = `http://127.0.0.1:${node.httpPort}/admin/v1/bucket-types/${action}`;
    const answer = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    assert.equal(answer.status, 200, await answer.text());
  }
}
