/**
 * What strangers may send to the parts that read much of it (data types, queries, jobs, hooks), against a started node: it is
 * refused with a clear error or does what it says; somebody else's ping is answered within a second throughout; and the
 * node's memory, and that of its sandboxes, returns.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { bytesOfText } from '../../src/stdx/index.ts';
import {
  decodeMessage,
  dtFetchReq,
  dtFetchResp,
  dtUpdateReq,
  encodeFrame,
  rpbMapRedReq,
} from '../../src/wire/index.ts';
import { ErrorReply, FrameConnection, type Reply } from './frame-connection.ts';
import { type HaleProcess, HaleSandbox } from './hale-process.ts';
import { SeededRun, sleep } from './seeded-run.ts';
import { SteadyClient } from './steady-client.ts';

const run = new SeededRun('hostile-input');
const megabyte = 2 ** 20;
const depth = 50_000;
const pingMsMax = 1000;
const residentGrowthBytesMax = 128 * megabyte;
const childrenBytesMax = 400 * megabyte;
const repetitions = run.size(1, 20);
/** Every object of JavaScript has something by these names. */
const inheritedNames = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
const json = { 'content-type': 'application/json' };

const sandbox = new HaleSandbox();
let node: HaleProcess;

before(async () => {
  const settings = [
    'leveldb.cache_size=1MB',
    'mapreduce.script_time.maximum=400ms',
    'javascript.hook_time.maximum=300ms',
  ];
  node = await sandbox.start(
    ...settings.flatMap((setting) => ['-o', setting]),
    '-o',
    'javascript.map_pool_size=2',
  );
  for (const type of ['counter', 'set', 'map', 'gset', 'hll']) await makeType(`${type}s`, { datatype: type });
  await makeType('plain', {});
});

after(() => sandbox.close());

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(
  method: string,
  path: string,
  body?: string | Uint8Array,
  headers: Record<string, string> = json,
): Promise<Answer> {
  const answer = await fetch(`${node.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  return { status: answer.status, text: await answer.text() };
}

async function makeType(name: string, props: object): Promise<void> {
  for (const step of ['create', 'activate']) {
    const { status, text } = await ask(
      'POST',
      `/admin/v1/bucket-types/${step}`,
      JSON.stringify({ name, props }),
    );
    assert.equal(status, 200, text);
  }
}

/** The error that a frame is answered with; undefined: none. */
async function frameError(frame: Buffer): Promise<string | undefined> {
  using connection = await FrameConnection.connect(node.protobufPort);
  try {
    await connection.ask(frame);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ErrorReply, String(error));
    return error.message;
  }
}

/** Runs `attack` while somebody else pings; judges how that went. */
async function under(
  context: { diagnostic(text: string): void },
  attack: () => Promise<void>,
): Promise<void> {
  await attack();
  const before = node.residentBytes;
  await using steady = await SteadyClient.start(node.protobufPort);
  for (let i = 0; i < repetitions; i += 1) await attack();
  const { slowestMs, pings } = await steady.stop();
  const growth = node.residentBytes - before;
  context.diagnostic(
    `${pings} pings, the slowest ${slowestMs.toFixed(0)} ms; ${(growth / megabyte).toFixed(0)} MB more than ${(before / megabyte).toFixed(0)}`,
  );
  assert.ok(slowestMs < pingMsMax, `a ping took ${slowestMs} ms`);
  assert.ok(growth < residentGrowthBytesMax, `${growth} bytes more`);
  assert.deepEqual(node.loggedErrors, []);
}

test('names that every object of JavaScript has are names like any other', async () => {
  for (const name of inheritedNames) {
    const object = `/types/plain/buckets/${name}/keys/${name}`;
    const headers = {
      'content-type': 'text/plain',
      [`x-riak-meta-${name}`]: 'm',
      [`x-riak-index-${name}_bin`]: name,
    };
    assert.equal((await ask('PUT', object, name, headers)).status, 204);
    assert.equal((await ask('GET', object)).text, name);
    assert.deepEqual(JSON.parse((await ask('GET', `/types/plain/buckets/${name}/keys?keys=true`)).text), {
      keys: [name],
    });
    const found = await ask('GET', `/types/plain/buckets/${name}/index/${name}_bin/${name}`);
    assert.deepEqual(JSON.parse(found.text), { keys: [name] }, found.text);

    const key = `/types/maps/buckets/b/datatypes/${name}`;
    const update = `{"update":{"${name}_register":"r","${name}_set":{"add_all":["${name}"]},"${name}_map":{"update":{"${name}_counter":2}}}}`;
    assert.equal((await ask('POST', key, update)).status, 204);
    const { value } = JSON.parse((await ask('GET', key)).text) as { readonly value: object };
    assert.deepEqual(
      Object.entries(value).map(([field, held]) => [field, JSON.stringify(held)]),
      [
        [`${name}_map`, `{"${name}_counter":2}`],
        [`${name}_register`, '"r"'],
        [`${name}_set`, `["${name}"]`],
      ],
    );
    const props = await ask('PUT', `/types/plain/buckets/${name}/props`, `{"props":{"${name}":"x"}}`);
    assert.ok(props.status < 500, props.text);
    const job = {
      inputs: [['b', 'k', name]],
      query: [
        { reduce: { language: 'javascript', source: 'function(v) { return v.length ? [v[0][2]] : v; }' } },
      ],
    };
    const reduced = await ask('POST', '/mapred', JSON.stringify(job));
    assert.equal(reduced.status, 200, reduced.text);
  }
  const fresh = await ask('GET', '/types/plain/buckets/fresh/props');
  assert.equal(fresh.status, 200);
  for (const name of ['constructor', 'toString']) assert.ok(!fresh.text.includes(`"${name}"`));
});

/** `depth` maps within each other, as a request: each level holds one field `m`. */
function deepMapFrame(levels: number): Buffer {
  const pieces: Buffer[] = [];
  let length = 0;
  const wrap = (head: Buffer) => {
    pieces.push(head);
    length += head.length;
  };
  const field = (number: number, size: number): Buffer => {
    const bytes = [(number << 3) | 2];
    for (let rest = size; ; rest = Math.floor(rest / 128)) {
      bytes.push(rest >= 128 ? (rest % 128) | 128 : rest);
      if (rest < 128) return Buffer.from(bytes);
    }
  };
  const name = Buffer.from('0a050a016d1005', 'hex');
  for (let level = 0; level < levels; level += 1) {
    wrap(field(6, length));
    wrap(name);
    wrap(field(2, length));
  }
  wrap(field(3, length));
  const op = Buffer.concat(pieces.reverse());
  const rest = encodeFrame(dtUpdateReq, {
    bucket: bytesOfText('b'),
    key: bytesOfText('deep'),
    type: bytesOfText('maps'),
    op: {} as never,
  });
  const body = Buffer.concat([rest.subarray(5, rest.length - 2), field(5, op.length), op]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length + 1);
  head[4] = dtUpdateReq.code;
  return Buffer.concat([head, body]);
}

function nested(open: string, close: string, middle = '1'): string {
  return open.repeat(depth) + middle + close.repeat(depth);
}

test('values nested 50,000 deep are refused by name, over both interfaces', async (context) => {
  assert.equal(await frameError(deepMapFrame(20)), undefined, 'the frame is well-formed');
  await under(context, async () => {
    assert.match((await frameError(deepMapFrame(depth))) ?? '', /deep|nest/i);
    const deepMap = await ask(
      'POST',
      '/types/maps/buckets/b/datatypes/deep',
      nested('{"update":{"a_map":', '}}', '{}'),
    );
    assert.deepEqual(
      [deepMap.status, /deep|nest/i.test(deepMap.text)],
      [400, true],
      deepMap.text.slice(0, 200),
    );
    for (const [method, path, body] of [
      ['POST', '/types/maps/buckets/b/datatypes/deep', nested('[', ']')],
      ['POST', '/mapred', nested('[', ']')],
      ['POST', '/mapred', `{"inputs":${nested('{"bucket":', '}')},"query":[]}`],
      [
        'POST',
        '/mapred',
        `{"inputs":{"bucket":"b","key_filters":[${nested('["not",[', ']]', '["eq","x"]')}]},"query":[]}`,
      ],
      ['PUT', '/types/plain/buckets/b/props', `{"props":{"x":${nested('[', ']')}}}`],
      ['POST', '/admin/v1/bucket-types/create', `{"name":"deep","props":{"x":${nested('{"a":', '}')}}}`],
    ] as const) {
      const { status, text } = await ask(method, path, body);
      assert.ok(status >= 400 && status < 500, `${path}: ${status} ${text.slice(0, 200)}`);
      assert.ok(text.length < 4096, 'an error is short');
    }
    // Lists within lists, as Erlang writes them.
    const term = Buffer.concat([
      Buffer.from([131]),
      Buffer.alloc(0),
      ...Array.from({ length: depth }, () => Buffer.from([108, 0, 0, 0, 1])),
    ]);
    const frame = encodeFrame(rpbMapRedReq, {
      request: term,
      content_type: bytesOfText('application/x-erlang-binary'),
    });
    assert.notEqual(await frameError(frame), undefined);
  });
});

test('regular expressions take no time to speak of, or are refused', async (context) => {
  const term = 'a'.repeat(2000);
  for (let i = 0; i < 200; i += 1) {
    const headers = { 'content-type': 'text/plain', 'x-riak-index-t_bin': `${term}${i}!` };
    assert.equal((await ask('PUT', `/types/plain/buckets/terms/keys/${term}${i}`, 'v', headers)).status, 204);
  }
  const large = 'a{999}'.repeat(170);
  const query = (pattern: string) =>
    ask('GET', `/types/plain/buckets/terms/index/t_bin/a/b?term_regex=${encodeURIComponent(pattern)}`);
  const filter = (...filters: readonly (readonly unknown[])[]) =>
    ask(
      'POST',
      '/mapred',
      JSON.stringify({ inputs: { bucket: ['plain', 'terms'], key_filters: filters }, query: [] }),
    );
  await under(context, async () => {
    for (const pattern of ['^(a+)+$', '^(a|a)*$', '^(.*a){20}x$', '^(a|b)*a(a|b){100}$', '^(a?){60}a{60}$']) {
      const found = await query(pattern);
      assert.equal(found.status, 200, `${pattern}: ${found.text}`);
      const filtered = await filter(['matches', pattern]);
      assert.equal(filtered.status, 200, `${pattern}: ${filtered.text}`);
    }
    for (const pattern of [large, '(a)\\1', '((((a?){9}){9}){9})'.repeat(50)]) {
      assert.equal((await query(pattern)).status, 400);
      assert.equal((await filter(['matches', pattern])).status, 400);
    }
    const many = Array.from({ length: 60 }, () => ['matches', '(a|b)*a(a|b){100}$']);
    assert.equal((await filter(...many)).status, 400);
    const wide = Array.from({ length: 30 }, () => ['or', ...Array.from({ length: 30 }, () => [['eq', 'x']])]);
    assert.equal((await filter(...wide)).status, 400);
  });
});

test('functions without an end, or that ask for all there is, end alone', async (context) => {
  assert.equal((await ask('PUT', '/buckets/jobs/keys/k', 'v', { 'content-type': 'text/plain' })).status, 204);
  const job = (source: string, kind = 'map') =>
    ask(
      'POST',
      '/mapred',
      JSON.stringify({ inputs: [['jobs', 'k']], query: [{ [kind]: { language: 'javascript', source } }] }),
    );
  const hostile = [
    'function() { for (;;); }',
    'function() { var a = []; for (;;) a.push({ a: [1, 2, 3] }); }',
    'function() { var a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1)); }',
    'function() { var s = "x"; for (;;) s += s; }',
    'function() { return [/^(a+)+$/.test("a".repeat(40) + "!")]; }',
    'function() { var a = []; for (var i = 0; i < 3e6; i++) a.push("0123456789"); return a; }',
    'function f() { return f(); }',
  ];
  await under(context, async () => {
    const answers = await Promise.all(
      hostile.map((source, i) => job(source, i % 3 === 0 ? 'reduce' : 'map')),
    );
    for (const { status, text } of answers) {
      assert.equal(status, 500, text);
      assert.ok(typeof (JSON.parse(text) as { error: unknown }).error === 'string', text);
    }
    const honest = await job('function(v) { return [v.key]; }');
    assert.deepEqual(JSON.parse(honest.text), ['k'], honest.text);
    const more = await ask(
      'POST',
      '/mapred',
      JSON.stringify({
        inputs: 'jobs',
        query: Array.from({ length: 1000 }, () => ({
          map: { language: 'javascript', source: 'function(v) { return [v]; }' },
        })),
      }),
    );
    assert.equal(more.status, 400);
  });
});

test('a hook without an end refuses its write, and the object is as it was', async (context) => {
  const text = { 'content-type': 'text/plain' };
  assert.equal((await ask('PUT', '/buckets/hooks/keys/slow', 'function() { for (;;); }', text)).status, 204);
  assert.equal((await ask('PUT', '/types/plain/buckets/hooked/keys/k', 'before', text)).status, 204);
  const props = JSON.stringify({ props: { precommit: [{ name: 'hooks/slow' }] } });
  assert.equal((await ask('PUT', '/types/plain/buckets/hooked/props', props)).status, 204);
  await under(context, async () => {
    const writes = Array.from({ length: 4 }, () =>
      ask('PUT', '/types/plain/buckets/hooked/keys/k', 'after', text),
    );
    for (const { status, text: error } of await Promise.all(writes)) {
      assert.ok(status >= 400, `${status} ${error}`);
      assert.notEqual(error, '');
    }
    assert.equal((await ask('GET', '/types/plain/buckets/hooked/keys/k')).text, 'before');
  });
});

test('updates and queries that are too much are refused, and nothing of them has happened', async (context) => {
  const set = '/types/sets/buckets/b/datatypes/much';
  assert.equal((await ask('POST', set, '{"add":"one"}')).status, 204);
  const elements = JSON.stringify({
    add_all: Array.from({ length: 300_000 }, (_, i) => `element ${i} of a set that is too large`),
  });
  const frame = (key: string, op: object, more: object = {}) =>
    encodeFrame(dtUpdateReq, {
      bucket: bytesOfText('b'),
      key: bytesOfText(key),
      type: bytesOfText('sets'),
      op: op as never,
      ...more,
    });
  await under(context, async () => {
    const large = await ask('POST', set, elements);
    assert.equal(large.status, 413, large.text.slice(0, 200));
    const add = { set_op: { adds: [bytesOfText('x')], removes: [] } };
    assert.match(
      (await frameError(frame('much', add, { context: Buffer.alloc(1000, 7) }))) ?? '',
      /context/i,
    );
    assert.notEqual(await frameError(frame('much', { counter_op: { increment: 1n } })), undefined);
    for (const body of [
      '{"increment":9223372036854775808}',
      '{"increment":1e400}',
      '{"increment":"1"}',
      '{',
      '[]',
      'null',
      '{"add":{}}',
    ]) {
      const { status, text } = await ask('POST', '/types/counters/buckets/b/datatypes/k', body);
      assert.equal(status, 400, `${body}: ${text}`);
    }
    const headers: Record<string, string> = {
      'content-type': 'text/plain',
      'x-riak-index-i_int': Array.from({ length: 20_000 }, (_, i) => i).join(','),
    };
    const entries = await ask('PUT', '/types/plain/buckets/b/keys/entries', 'v', headers);
    assert.ok(entries.status >= 400 && entries.status < 500, `${entries.status}`);
    for (const query of [
      'continuation=AAAA',
      `continuation=${'x'.repeat(5000)}`,
      'max_results=-1',
      'max_results=1e9',
      'timeout=x',
    ]) {
      const { status, text } = await ask('GET', `/types/plain/buckets/b/index/t_bin/a/b?${query}`);
      assert.equal(status, 400, `${query}: ${text}`);
    }
    const reply = await fetchSet('much');
    assert.deepEqual(reply, ['one']);
  });
});

async function fetchSet(key: string): Promise<readonly string[]> {
  using connection = await FrameConnection.connect(node.protobufPort);
  const names = { bucket: bytesOfText('b'), key: bytesOfText(key), type: bytesOfText('sets') };
  const { body }: Reply = await connection.ask(encodeFrame(dtFetchReq, names));
  return decodeMessage(dtFetchResp, body).value?.set_value ?? [];
}

test('the sandboxes have given back what they took', async () => {
  await sleep(500);
  const bytes = childrenOf(node.pid).map(residentBytesOf);
  assert.ok(bytes.length > 0, 'there are sandboxes');
  const total = bytes.reduce((a, b) => a + b, 0);
  assert.ok(total < childrenBytesMax, `${bytes.length} processes hold ${total} bytes`);
});

function childrenOf(pid: number): readonly number[] {
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return processes.map(Number).filter((each) => statusOf(each)?.includes(`\nPPid:\t${pid}\n`) === true);
}

function residentBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(statusOf(pid) ?? '')?.[1] ?? 0) * 1024;
}

/** Undefined: it has ended. */
function statusOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return undefined;
  }
}
