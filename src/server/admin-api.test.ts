import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpExchange, Tasks } from '../environment/index.ts';
import { type AdminActions, adminHandler } from './admin-api.ts';

interface Asked {
  readonly method?: string;
  readonly target: string;
  readonly headers?: readonly string[];
  readonly host?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

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
    cluster: new Map(),
  };
  const answers: Answer[] = [];
  const exchange = {
    method: asked.method ?? 'GET',
    target: asked.target,
    headers: asked.headers ?? ['Host', '127.0.0.1:8098'],
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
