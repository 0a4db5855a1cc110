import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { configurationWith } from './config/index.ts';
import { nodeEnvironment, silentLog } from './runtime/index.ts';
import { startNode } from './server/index.ts';

interface Outcomes {
  readonly first: unknown;
  readonly second: unknown;
  readonly later: unknown;
  readonly uncaught: readonly string[];
}

async function survive(way: string): Promise<Outcomes> {
  const fixture = fileURLToPath(new URL('./crash-survivor.fixture.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [fixture, way], { timeout: 20_000 });
  return JSON.parse(stdout);
}

test('embedded: after a crash that the application outlives, calls fail with closed and its cause', async () => {
  const { first, second, later, uncaught } = await survive('embedded');
  for (const inProgress of [first, second]) {
    assert.deepEqual(inProgress, { code: 'closed', unknownOutcome: true, cause: 'planted' });
  }
  assert.deepEqual(later, { code: 'closed', unknownOutcome: false, cause: 'planted' });
  assert.deepEqual(uncaught, ['hale failed in group-commit: planted']);
});

test('remote: after a crash that the application outlives, calls fail with closed and its cause', async (context) => {
  const environment = nodeEnvironment({
    log: silentLog,
    crash: (activity, error) => assert.fail(`${activity}: ${String(error)}`),
  });
  const node = await startNode(
    configurationWith({
      storage_backend: 'memory',
      ring_size: 8,
      'listener.http.internal': 'off',
      'listener.cluster.internal': 'off',
      'listener.protobuf.internal': { host: '127.0.0.1', port: 0 },
    }),
    { environment, version: '0.0.0' },
  );
  context.after(async () => {
    await node.stop();
    await environment.close();
  });
  const { first, later, uncaught } = await survive(`hale://127.0.0.1:${node.protobufAddress!.port}`);
  assert.deepEqual(first, { code: 'closed', unknownOutcome: true, cause: 'planted' });
  assert.deepEqual(later, { code: 'closed', unknownOutcome: false, cause: 'planted' });
  assert.deepEqual(uncaught, ['hale failed in connection data: planted']);
});
