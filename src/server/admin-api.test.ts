import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpBody, HttpExchange, Tasks } from '../environment/index.ts';
import { type AdminActions, adminHandler } from './admin-api.ts';
import { AdminFailure } from './cluster-admin/admin-failure.ts';
import { ChangeBody } from './cluster-admin/change-body.ts';
import type { ClusterRoute } from './cluster-admin/cluster-routes.ts';

interface Asked {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly string[];
  readonly host?: string;
  readonly body?: HttpBody;
}

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

const clusterRoutes: ReadonlyMap<string, ClusterRoute> = new Map<string, ClusterRoute>([
  ['ring/risk', { method: 'GET', answer: (query) => ({ failures: query.get('failures') }) }],
  [
    'cluster/leave',
    { method: 'POST', answer: async (bytes) => ({ left: ChangeBody.parse(bytes).node('node') }) },
  ],
  [
    'cluster/commit',
    {
      method: 'POST',
      answer: () => Promise.reject(new AdminFailure(409, 'unhealthy', 'not healthy', ['a is away'])),
    },
  ],
]);

async function ask(asked: Asked, stop: () => unknown = () => undefined): Promise<Answer> {
  const running: Promise<void>[] = [];
  const tasks: Tasks = {
    spawn: (_name, body) => void running.push(body()),
    endOfTurn: (run) => run(),
  };
  const actions: AdminActions = {
    status: () => ({ node: 'a@b' }),
    configuration: () => ({ ring_size: '64' }),
    metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    stop,
    cluster: clusterRoutes,
  };
  const answers: Answer[] = [];
  const exchange = {
    method: asked.method ?? 'GET',
    target: asked.target,
    headers: asked.headers ?? ['Host', '127.0.0.1:8098'],
    readBody: (_bytesMax: number, done: (body: HttpBody) => void) =>
      setImmediate(done, asked.body ?? { kind: 'complete', bytes: Buffer.alloc(0) }),
    remote: { host: asked.host ?? '127.0.0.1', port: 50_000 },
    respond: (status: number, headers: string[], body?: Buffer) =>
      void answers.push({ status, headers, body: body?.toString('utf8') ?? '' }),
  } as unknown as HttpExchange;
  adminHandler(actions, tasks)(exchange);
  await Promise.all(running);
  assert.equal(answers.length, 1);
  return answers[0]!;
}

test('reads answer with JSON, and metrics with text', async () => {
  const status = await ask({ target: '/admin/v1/status' });
  assert.deepEqual([status.status, JSON.parse(status.body)], [200, { node: 'a@b' }]);
  assert.equal((await ask({ target: '/admin/v1/config?x=1' })).body, '{"ring_size":"64"}\n');
  const metrics = await ask({ target: '/admin/v1/metrics' });
  assert.deepEqual(metrics, {
    status: 200,
    headers: ['Content-Type', 'text/plain; version=0.0.4'],
    body: 'up 1\n',
  });
});

test('only a POST stops', async () => {
  let stops = 0;
  const stop = () => {
    stops += 1;
  };
  assert.equal((await ask({ target: '/admin/v1/stop' }, stop)).status, 405);
  assert.equal(stops, 0);
  assert.equal((await ask({ method: 'POST', target: '/admin/v1/stop' }, stop)).status, 202);
  assert.equal(stops, 1);
});

test('the wrong method is told the right one', async () => {
  const answer = await ask({ method: 'DELETE', target: '/admin/v1/status' });
  assert.equal(answer.status, 405);
  assert.deepEqual(answer.headers.slice(-2), ['Allow', 'GET, HEAD']);
  assert.equal((await ask({ target: '/admin/v1/nothing' })).status, 404);
  assert.equal((await ask({ target: '/admin/' })).status, 404);
});

test('callers from other machines are refused', async () => {
  for (const host of ['10.0.0.1', '::2', 'fe80::1', '::ffff:10.0.0.1']) {
    assert.equal((await ask({ target: '/admin/v1/status', host })).status, 403, host);
  }
  for (const host of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1']) {
    assert.equal((await ask({ target: '/admin/v1/status', host })).status, 200, host);
  }
});

test('what a web page can make a browser send is refused', async () => {
  let stops = 0;
  const fromPage = ['Host', '127.0.0.1:8098', 'origin', 'http://example.org'];
  const refused = await ask({ method: 'POST', target: '/admin/v1/stop', headers: fromPage }, () => {
    stops += 1;
  });
  assert.deepEqual([refused.status, stops], [403, 0]);
  for (const host of ['evil.example:8098', '127.0.0.1.evil.example', 'localhost.evil:1', '']) {
    assert.equal((await ask({ target: '/admin/v1/status', headers: ['Host', host] })).status, 403, host);
  }
  for (const host of ['localhost', 'LOCALHOST:8098', '[::1]:8098', '127.0.0.1']) {
    assert.equal((await ask({ target: '/admin/v1/status', headers: ['Host', host] })).status, 200, host);
  }
});

test('the cluster is asked by query and told by JSON bodies; what it refuses has a code, and reasons', async () => {
  const risk = await ask({ target: '/admin/v1/ring/risk?failures=3' });
  assert.deepEqual([risk.status, JSON.parse(risk.body)], [200, { failures: '3' }]);
  const post = (target: string, body: HttpBody) => ask({ method: 'POST', target, body });
  const json = (value: unknown) => ({ kind: 'complete', bytes: Buffer.from(JSON.stringify(value)) }) as const;
  const left = await post('/admin/v1/cluster/leave', json({ node: 'a@b' }));
  assert.deepEqual([left.status, JSON.parse(left.body)], [200, { left: 'a@b' }]);
  const bad = await post('/admin/v1/cluster/leave', json({}));
  assert.deepEqual([bad.status, (JSON.parse(bad.body) as { code: string }).code], [400, 'bad_request']);
  const refused = await post('/admin/v1/cluster/commit', json({}));
  assert.equal(refused.status, 409);
  assert.deepEqual(JSON.parse(refused.body), {
    error: 'not healthy',
    code: 'unhealthy',
    reasons: ['a is away'],
  });
  assert.equal((await post('/admin/v1/cluster/leave', { kind: 'too_large' })).status, 413);
  assert.equal((await post('/admin/v1/cluster/leave', { kind: 'overload' })).status, 503);
  assert.equal((await ask({ target: '/admin/v1/cluster/leave' })).status, 405);
  const fromPage = ['Host', '127.0.0.1:8098', 'Origin', 'http://example.org'];
  const page = await ask({ method: 'POST', target: '/admin/v1/cluster/leave', headers: fromPage });
  assert.equal(page.status, 403);
});
