/** MapReduce over HTTP: what a real Riak was seen to answer, and where we mean to differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startJobNode } from './job-node.ts';

const erlang = (name: string, more: object = {}) => ({
  language: 'erlang',
  module: 'riak_kv_mapreduce',
  function: name,
  ...more,
});
const javascript = (source: string, more: object = {}) => ({ language: 'javascript', source, ...more });
const named = (name: string, more: object = {}) => ({ language: 'javascript', name, ...more });

/** The objects of the exchanges that were recorded. */
async function startRecorded() {
  const node = await startJobNode();
  await node.put('/buckets/tb3/keys/k1', 'x3');
  await node.put('/buckets/tb3/keys/k1b', 'x3b');
  await node.put('/buckets/tb3/keys/rich', 'rich', {
    Link: '</buckets/tb3/keys/k1>; riaktag="friend", </buckets/tb3/keys/k2>; riaktag="foe"',
    'X-Riak-Index-age_int': '42',
    'X-Riak-Meta-Colour': 'red',
  });
  return node;
}

test('jobs that were recorded get the answers that were recorded', async () => {
  await using node = await startRecorded();
  const answers: readonly (readonly [object, number, string])[] = [
    [
      {
        inputs: [
          ['tb3', 'k1'],
          ['tb3', 'rich'],
        ],
        query: [{ map: erlang('map_object_value', { keep: true }) }],
      },
      200,
      '["x3","rich"]',
    ],
    [{ inputs: 'tb3', query: [{ reduce: erlang('reduce_count_inputs') }] }, 200, '[3]'],
    [{ inputs: [['tb3', 'k1']], query: [{ reduce: erlang('reduce_identity') }] }, 200, '[["tb3","k1"]]'],
    [
      {
        inputs: [['tb3', 'k1']],
        query: [
          { map: erlang('map_object_value', { keep: true }) },
          { reduce: erlang('reduce_sort', { keep: true }) },
        ],
      },
      200,
      '[["x3"],["x3"]]',
    ],
    [
      { inputs: [['tb3', 'rich']], query: [{ link: { bucket: 'tb3', tag: 'friend' } }] },
      200,
      '[["tb3","k1","friend"]]',
    ],
    [
      { inputs: [['tb3', 'k1']], query: [{ map: { language: 'erlang', module: 'nosuch', function: 'f' } }] },
      400,
      '{"phase":0,"error":"invalid module named in PhaseSpec function:\\n must be a valid module name (failed to load nosuch: nofile)"}',
    ],
  ];
  for (const [job, status, body] of answers) {
    const answer = await node.run(job);
    assert.deepEqual([answer.status, answer.body], [status, body]);
    assert.equal(answer.type, 'application/json');
  }
  for (const query of [{ key: 42 }, { start: 1, end: 100 }, { start: '42', end: '42' }]) {
    const inputs = { bucket: 'tb3', index: 'age_int', ...query };
    const found = await node.run({ inputs, query: [{ reduce: erlang('reduce_identity') }] });
    assert.deepEqual([found.status, found.body], [200, '[["tb3","rich"]]']);
  }
  const bad = { bucket: 'tb3', index: 'age_int', key: 'no number' };
  assert.equal((await node.run({ inputs: bad, query: [] })).status, 400);
  const filtered = { bucket: 'tb3', key_filters: [['starts_with', 'k1']] };
  const found = await node.results({ inputs: filtered, query: [{ reduce: erlang('reduce_identity') }] });
  assert.deepEqual((found as string[][]).map(([bucket, key]) => `${bucket} ${key}`).sort(), [
    'tb3 k1',
    'tb3 k1b',
  ]);
});

test('a job that cannot be understood is refused in the words of Riak', async () => {
  await using node = await startRecorded();
  const refusals: readonly (readonly [string | object, RegExp])[] = [
    ['{"inputs":', /^The POST body was not valid JSON\.\nThe error from the parser was:\n/],
    ['[]', /^The POST body was not a JSON object\.\n$/],
    [{ inputs: 'tb3' }, /^The post body was missing the "inputs" or "query" field\.\n$/],
    [
      { inputs: 7, query: [] },
      /^An error occurred parsing the "inputs" field\.\nUnrecognized format of "inputs" field:/,
    ],
    [{ inputs: [['b']], query: [] }, /^An error occurred parsing the "inputs" field\.\n/],
    [{ inputs: 'b', query: [{}] }, /^An error occurred parsing the "query" field\.\n/],
    [{ inputs: 'b', query: [{ map: { language: 'cobol' } }] }, /must be javascript or erlang/],
    [{ inputs: 'b', query: [{ map: erlang('f', { keep: 1 }) }] }, /"keep" field/],
    [{ inputs: 'b', query: [], timeout: -1 }, /^An error occurred parsing the "timeout" field\.\n/],
    [{ inputs: { bucket: 'b', key_filters: [['nosuch']] }, query: [] }, /Unknown key filter: nosuch/],
    [{ inputs: { bucket: 'b', query: 'x' }, query: [] }, /Search is not available/],
    [`{"inputs":"b","query":${'['.repeat(1000)}${']'.repeat(1000)}}`, /nested too deep/],
  ];
  for (const [job, text] of refusals) {
    const { status, body, type } = await node.run(job);
    assert.deepEqual([status, type], [400, 'text/plain'], body);
    assert.match(body, text);
  }
  const post = (headers: Record<string, string>) =>
    fetch(`${node.url}/mapred`, { method: 'POST', headers, body: 'x' });
  assert.equal((await post({ 'Content-Type': 'text/plain' })).status, 415);
  assert.match(await (await fetch(`${node.url}/mapred`)).text(), /"inputs"/);
});

test('a key that never was fails the job, unless the argument says what to do', async () => {
  await using node = await startRecorded();
  const map = (arg?: unknown) => ({
    inputs: [
      ['tb3', 'none', 'data'],
      ['tb3', 'k1'],
    ],
    query: [{ map: erlang('map_object_value', arg === undefined ? {} : { arg }) }],
  });
  const { status, body } = await node.run(map());
  assert.equal(status, 500);
  assert.deepEqual(JSON.parse(body), {
    phase: 0,
    error: 'function_clause',
    input: '{{error,notfound},{<<"tb3">>,<<"none">>},<<"data">>}',
    type: 'error',
    stack: '[]',
  });
  assert.deepEqual(await node.results(map('filter_notfound')), ['x3']);
  assert.deepEqual(await node.results(map('include_keydata')), ['data', 'x3']);
  assert.deepEqual(await node.results(map({ sub: 7 })), [7, 'x3']);
  assert.deepEqual(await node.results(map('include_notfound')), [
    { not_found: { bucket: 'tb3', key: 'none', keydata: 'data' } },
    'x3',
  ]);
});

test('keys of a listing that were deleted are no mistake', async () => {
  await using node = await startRecorded();
  await fetch(`${node.url}/buckets/tb3/keys/k1`, { method: 'DELETE' });
  const query = [{ map: erlang('map_object_value') }, { reduce: erlang('reduce_sort') }];
  assert.deepEqual(await node.results({ inputs: 'tb3', query }), ['rich', 'x3b']);
});

test('chunked=true sends a part for what each phase yields', async () => {
  await using node = await startRecorded();
  const job = { inputs: [['tb3', 'k1']], query: [{ map: erlang('map_object_value') }] };
  const { status, type, body } = await node.run(job, '?chunked=true');
  const boundary = /^multipart\/mixed;boundary=(\w+)$/.exec(type)?.[1];
  assert.equal(status, 200);
  const part = `\r\n--${boundary}\r\nContent-Type: application/json\r\n\r\n{"phase":0,"data":["x3"]}`;
  assert.equal(body, `${part}\r\n--${boundary}--\r\n`);
  const failing = { ...job, inputs: [['tb3', 'none']] };
  assert.equal(
    (await node.run(failing, '?chunked=true')).status,
    500,
    'before the first part a failure is a status',
  );
});

test('inputs without phases are the result; key data and types go through', async () => {
  await using node = await startRecorded();
  const keys = [
    ['b', 'k'],
    ['b', 'k', { x: [1, null] }],
    ['b', 'k', 7, 't'],
  ];
  assert.deepEqual(await node.results({ inputs: keys, query: [] }), keys);
});

test('reduce functions of Riak', async () => {
  await using node = await startRecorded();
  for (const [key, value] of Object.entries({ a: '3', b: '-10', c: '3' }))
    await node.put(`/buckets/n/keys/${key}`, value);
  const reduced = (...names: string[]) =>
    node.results({
      inputs: 'n',
      query: [{ map: erlang('map_object_value') }, ...names.map((name) => ({ reduce: erlang(name) }))],
    });
  assert.deepEqual(await reduced('reduce_string_to_integer', 'reduce_sort'), [-10, 3, 3]);
  assert.deepEqual(await reduced('reduce_string_to_integer', 'reduce_sum'), [-4]);
  assert.deepEqual(((await reduced('reduce_set_union')) as string[]).sort(), ['-10', '3']);
  assert.deepEqual(await reduced('reduce_count_inputs'), [3]);
  const { status, body } = await node.run({
    inputs: 'n',
    query: [{ map: erlang('map_object_value') }, { reduce: erlang('reduce_sum') }],
  });
  assert.equal(status, 500);
  assert.equal(JSON.parse(body).error, 'badarith');
  assert.deepEqual(await node.results({ inputs: 'empty', query: [{ reduce: erlang('reduce_sum') }] }), [0]);
  await node.put('/buckets/lists/keys/l', '["a",["b"],{"c":1}]');
  const lists = { inputs: 'lists', query: [{ map: erlang('map_object_value_list') }] };
  assert.deepEqual(await node.results(lists), ['a', ['b'], { c: 1 }]);
});

test('JavaScript: by source, by name, stored, with key data and argument', async () => {
  await using node = await startRecorded();
  await node.put('/buckets/code/keys/f', 'function(value) { return [value.key.length]; }');
  const inputs = [['tb3', 'k1', 'data']];
  const source =
    'function(value, keyData, arg) { return [value.bucket, value.values[0].data, keyData, arg]; }';
  assert.deepEqual(await node.results({ inputs, query: [{ map: javascript(source, { arg: [1] }) }] }), [
    'tb3',
    'x3',
    'data',
    [1],
  ]);
  assert.deepEqual(await node.results({ inputs, query: [{ map: named('Riak.mapValues') }] }), ['x3']);
  const stored = { language: 'javascript', bucket: 'code', key: 'f' };
  assert.deepEqual(await node.results({ inputs, query: [{ map: stored }] }), [2]);
  const keys = Array.from({ length: 100 }, (_, i) => ['tb3', `none${i}`]);
  const one = 'function(value) { return "not_found" in value ? [1] : []; }';
  for (const arg of [{}, { reduce_phase_batch_size: 7 }, { reduce_phase_only_1: true }]) {
    const query = [{ map: javascript(one) }, { reduce: named('Riak.reduceSum', { arg }) }];
    assert.deepEqual(await node.results({ inputs: keys, query }), [100]);
  }
  const calls = 'function(values) { return [values.length]; }';
  const query = [
    { map: javascript(one) },
    { reduce: javascript(calls, { arg: { reduce_phase_only_1: true } }) },
  ];
  assert.deepEqual(await node.results({ inputs: keys, query }), [100], 'one call with everything');
});

test('an object as JavaScript sees it', async () => {
  await using node = await startRecorded();
  const [seen] = (await node.results({
    inputs: [['tb3', 'rich']],
    query: [{ map: javascript('function(value) { return [value]; }') }],
  })) as [
    { vclock: string; values: { metadata: Record<string, unknown>; data: string }[] } & Record<
      string,
      unknown
    >,
  ];
  const { vclock, values, ...names } = seen;
  assert.deepEqual(names, { bucket_type: 'default', bucket: 'tb3', key: 'rich' });
  assert.ok(Buffer.from(vclock, 'base64').length > 0);
  const { 'X-Riak-VTag': vtag, 'X-Riak-Last-Modified': modified, ...metadata } = values[0]!.metadata;
  assert.match(String(vtag), /^\w{22}$/);
  assert.match(String(modified), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assert.deepEqual(metadata, {
    'content-type': 'text/plain',
    'X-Riak-Meta': { 'X-Riak-Meta-Colour': 'red' },
    Links: [
      ['tb3', 'k1', 'friend'],
      ['tb3', 'k2', 'foe'],
    ],
    index: { age_int: 42 },
  });
  assert.equal(values[0]!.data, 'rich');
});

test('JavaScript that fails says where, with what, and what it was given', async () => {
  await using node = await startRecorded();
  const failure = async (map: object) => {
    const { status, body } = await node.run({ inputs: [['tb3', 'k1']], query: [{ map }] });
    assert.equal(status, 500);
    return JSON.parse(body) as Record<string, unknown>;
  };
  const thrown = await failure(javascript('function(value) { return nosuch(value); }'));
  assert.equal(thrown.phase, 0);
  assert.match(String(thrown.error), /^ReferenceError: .*nosuch/);
  assert.match(String(thrown.input), /"key":"k1"/);
  assert.match(String((await failure(javascript('function(value) {'))).error), /^SyntaxError: /);
  assert.match(String((await failure(javascript('function() { return 1; }'))).error), /must return an array/);
  assert.match(String((await failure(javascript('7'))).error), /not a function/);
  for (const [map, error] of [
    [named('nosuch'), /no JavaScript function is called nosuch/],
    [{ language: 'javascript', bucket: 'code', key: 'none' }, /code\/none is not stored/],
  ] as const) {
    const { status, body } = await node.run({ inputs: [['tb3', 'k1']], query: [{ map }] });
    assert.equal(status, 400);
    assert.match(body, error);
  }
});
