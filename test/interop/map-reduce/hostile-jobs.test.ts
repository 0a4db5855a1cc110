/** Jobs that mean harm: each ends with a clear error and nothing else, and the node answers all the while. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startJobNode } from './job-node.ts';

const hostile: readonly (readonly [string, string, RegExp])[] = [
  ['an endless loop', 'function() { for (;;); }', /ran longer than 500 ms/],
  [
    'an endless loop that catches',
    'function() { for (;;) try { for (;;); } catch (e) {} }',
    /ran longer than 500 ms/,
  ],
  [
    'a heap bomb',
    'function() { var a = []; for (;;) a.push({ a: [1, 2, 3] }); }',
    /out of memory|ran longer/,
  ],
  [
    'a buffer bomb',
    'function() { var a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)); }',
    /out of memory|RangeError/,
  ],
  [
    'a string bomb',
    'function() { var s = "x"; for (;;) s += s; }',
    /out of memory|too long|Invalid string length/,
  ],
  ['an exploding array', 'function() { return new Array(1e8); }', /out of memory|ran longer|results longer/],
  [
    'too many results',
    'function() { var a = []; for (var i = 0; i < 2e6; i++) a.push("0123456789"); return a; }',
    /results longer|out of memory|ran longer/,
  ],
  [
    'a runaway regular expression',
    'function() { return [/^(a+)+$/.test("a".repeat(40) + "!")]; }',
    /ran longer than 500 ms/,
  ],
  [
    'endless microtasks',
    'function() { (function f() { Promise.resolve().then(f); })(); for (;;); }',
    /ran longer/,
  ],
  ['deep recursion', 'function f() { return f(); }', /RangeError|InternalError|stack/],
  [
    'deep JSON',
    'function() { return [JSON.parse("[".repeat(2e5) + "]".repeat(2e5))]; }',
    /RangeError|InternalError|stack|results|SyntaxError|out of memory/,
  ],
  [
    'a way out',
    'function() { return [this.constructor.constructor("return process")().pid]; }',
    /ReferenceError|TypeError/,
  ],
  [
    'a getter that throws',
    'function() { return [{ toJSON: function() { throw { message: { toString: 1 } }; } }]; }',
    /./,
  ],
  [
    'a broken prototype',
    'function() { Array.prototype.map = String.prototype.slice = null; throw new Error("x"); }',
    /./,
  ],
];

for (const engine of ['auto', 'quickjs'] as const) {
  test(`${engine}: jobs that mean harm end, and the node answers within a second`, async () => {
    await using node = await startJobNode({
      'javascript.engine': engine,
      'mapreduce.script_time.maximum': 500,
      'javascript.maximum_heap_size': 32 * 2 ** 20,
    });
    await node.put('/buckets/b/keys/k', 'v');
    let slowestMs = 0;
    let isOver = false;
    const pings = (async () => {
      while (!isOver) {
        const startedAt = performance.now();
        assert.equal((await fetch(`${node.url}/ping`)).status, 200);
        slowestMs = Math.max(slowestMs, performance.now() - startedAt);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    const job = (source: string) => ({
      inputs: [['b', 'k']],
      query: [{ map: { language: 'javascript', source } }],
    });
    try {
      for (const [what, source, error] of hostile) {
        const { status, body } = await node.run(job(source));
        assert.equal(status, 500, `${what}: ${status} ${body}`);
        assert.match(JSON.parse(body).error, error, `${what}: ${body}`);
        assert.deepEqual(await node.results(job('function(v) { return [v.key]; }')), ['k'], `after ${what}`);
      }
    } finally {
      isOver = true;
      await pings;
    }
    assert.ok(slowestMs < 1000, `a ping took ${slowestMs} ms`);
  });
}

test('one call sees nothing that another left behind', async () => {
  await using node = await startJobNode();
  const source =
    'function() { var seen = globalThis.seen || 0; globalThis.seen = 1; Riak.x = 1; return [seen, typeof Riak.x]; }';
  const reset = 'function() { return [globalThis.seen || 0, typeof Riak.x]; }';
  const job = (one: string) => ({
    inputs: [['b', 'k']],
    query: [{ map: { language: 'javascript', source: one } }],
  });
  assert.deepEqual(await node.results(job(source)), [0, 'number']);
  assert.deepEqual(await node.results(job(reset)), [0, 'undefined']);
});

test('nothing of the machine is in reach', async () => {
  await using node = await startJobNode();
  const names = [
    'process',
    'require',
    'fetch',
    'setTimeout',
    'performance',
    'console',
    'WebSocket',
    'Buffer',
  ];
  const source = `function() { return ${JSON.stringify(names)}.filter(function(name) { return typeof globalThis[name] !== 'undefined'; }); }`;
  const job = { inputs: [['b', 'k']], query: [{ map: { language: 'javascript', source } }] };
  assert.deepEqual(await node.results(job), []);
});

test('limits: jobs at once, time, memory, size', async () => {
  await using node = await startJobNode({
    'mapreduce.jobs.maximum': 1,
    'mapreduce.held.maximum': 2 ** 20,
    'mapreduce.request.maximum': 64 * 1024,
  });
  const slow = { language: 'javascript', source: 'function() { for (;;); }' };
  const first = node.run({ inputs: [['b', 'k']], query: [{ map: slow }], timeout: 400 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(JSON.parse((await node.run({ inputs: 'b', query: [] })).body), { error: 'overload' });
  const { status, body } = await first;
  assert.deepEqual([status, body], [500, '{"error":"timeout"}']);
  for (let i = 0; i < 3; i += 1) await node.put(`/buckets/big/keys/${i}`, 'x'.repeat(500_000));
  const values = { language: 'erlang', module: 'riak_kv_mapreduce', function: 'map_object_value' };
  const tooLarge = await node.run({ inputs: 'big', query: [{ map: values }] });
  assert.deepEqual(
    [tooLarge.status, tooLarge.body],
    [500, '{"error":"the job holds more than 1048576 bytes"}'],
  );
  assert.equal((await node.run(`{"inputs":"${'x'.repeat(70_000)}","query":[]}`)).status, 413);
});

test('a regular expression of a key filter takes time linear in the key', async () => {
  await using node = await startJobNode();
  await node.put(`/buckets/b/keys/${'a'.repeat(4000)}!`, 'v');
  const inputs = { bucket: 'b', key_filters: [['matches', '^(a+)+$']] };
  const startedAt = performance.now();
  assert.deepEqual(await node.results({ inputs, query: [] }), []);
  assert.ok(performance.now() - startedAt < 1000);
  const looksBack = { bucket: 'b', key_filters: [['matches', '(a)\\1']] };
  assert.equal((await node.run({ inputs: looksBack, query: [] })).status, 400);
});
