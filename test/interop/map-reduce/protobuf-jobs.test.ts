/** MapReduce over Protocol Buffers, as JSON and as Erlang terms. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLiteral, textOfBytes } from '../../../src/stdx/index.ts';
import {
  Atom,
  decodeMessage,
  decodeTerm,
  encodeTerm,
  rpbErrorResp,
  rpbMapRedResp,
  type Term,
  Tuple,
} from '../../../src/wire/index.ts';
import { type JobNode, startJobNode } from './job-node.ts';

const json = 'application/json';
const erlang = 'application/x-erlang-binary';

const atom = (name: string) => new Atom(name);
const tuple = (...elements: Term[]) => new Tuple(elements);
const binary = byteLiteral;
const modfun = (name: string) => tuple(atom('modfun'), atom('riak_kv_mapreduce'), atom(name));

function termJob(inputs: Term, query: Term): Buffer {
  return encodeTerm([
    tuple(atom('inputs'), inputs),
    tuple(atom('query'), query),
    tuple(atom('timeout'), 60_000),
  ]);
}

/** The results of each phase, in the order in which they came. */
async function termResults(node: JobNode, job: Buffer): Promise<readonly (readonly [number, Term])[]> {
  const frames = await node.runFrame(job, erlang);
  return frames.flatMap(({ code, body }) => {
    assert.equal(code, 24, body.toString('latin1'));
    const { phase, response } = decodeMessage(rpbMapRedResp, body);
    return response === undefined ? [] : [[phase!, decodeTerm(response)] as const];
  });
}

async function errorOf(node: JobNode, request: Uint8Array, contentType: string): Promise<string> {
  const [frame] = await node.runFrame(request, contentType);
  assert.equal(frame?.code, 0);
  return textOfBytes(decodeMessage(rpbErrorResp, frame.body).errmsg);
}

test('a recorded job gets the frames that were recorded', async () => {
  await using node = await startJobNode();
  await node.put('/buckets/pb3/keys/k', 'hello3');
  const job =
    '{"inputs":[["pb3","k"]],"query":[{"map":{"language":"erlang","module":"riak_kv_mapreduce","function":"map_object_value","keep":true}}]}';
  const frames = await node.runFrame(Buffer.from(job), json);
  assert.deepEqual(
    frames.map(({ code, body }) => [code, body.toString('hex')]),
    [
      [24, '0800120a5b2268656c6c6f33225d'],
      [24, '1801'],
    ],
  );
});

test('jobs as terms: every form of inputs, phases, and results in bytes', async () => {
  await using node = await startJobNode();
  const value = Uint8Array.of(0, 255, 128);
  await node.put('/buckets/b/keys/k', value, {
    'Content-Type': 'application/octet-stream',
    'X-Riak-Index-f_bin': 'x',
  });
  const values = [tuple(atom('map'), modfun('map_object_value'), atom('none'), true)];
  const expected = [[0, [Buffer.from(value).toString('latin1')]]];
  const everywhere: readonly Term[] = [
    [tuple(binary('b'), binary('k'))],
    [tuple(tuple(binary('b'), binary('k')), binary('data'))],
    [tuple(tuple(tuple(binary('default'), binary('b')), binary('k')), atom('undefined'))],
    binary('b'),
    tuple(binary('default'), binary('b')),
    tuple(binary('b'), [[binary('eq'), binary('k')]]),
    tuple(atom('index'), binary('b'), binary('f_bin'), binary('x')),
    tuple(atom('index'), binary('b'), binary('f_bin'), binary('a'), binary('z')),
  ];
  for (const inputs of everywhere)
    assert.deepEqual(await termResults(node, termJob(inputs, values)), expected);
  const script = (name: string, source: string) => tuple(atom(name), binary(source));
  const phases = [
    tuple(atom('map'), script('jsanon', 'function(v, k, arg) { return [{ n: arg }]; }'), 7, true),
    tuple(atom('reduce'), script('jsfun', 'Riak.filterNotFound'), atom('undefined'), true),
  ];
  const object = new Map([[binary('n'), 7]]);
  assert.deepEqual(await termResults(node, termJob([tuple(binary('b'), binary('k'))], phases)), [
    [0, [object]],
    [1, [object]],
  ]);
  const missing = [tuple(atom('map'), modfun('map_object_value'), binary('include_notfound'), true)];
  assert.deepEqual(await termResults(node, termJob([tuple(binary('b'), binary('none'))], missing)), [
    [0, [tuple(atom('not_found'), tuple(binary('b'), binary('none')), atom('undefined'))]],
  ]);
});

test('errors are the texts that clients look for, and the connection could go on', async () => {
  await using node = await startJobNode();
  const refused: readonly (readonly [Uint8Array, string, RegExp])[] = [
    [Buffer.from('{'), json, /^\{invalid_json,/],
    [Buffer.from('[]'), json, /^not_json$/],
    [Buffer.from('{}'), json, /^missing_field$/],
    [
      Buffer.from('{"inputs":7,"query":[]}'),
      json,
      /^\{inputs,\["Unrecognized format of \\"inputs\\" field:",/,
    ],
    [encodeTerm([]), erlang, /^\{inputs,\{"Inputs must be a binary bucket, .*",undefined\}\}$/],
    [
      encodeTerm([tuple(atom('inputs'), binary('b'))]),
      erlang,
      /^\{query,\{"Query takes a list of step tuples",undefined\}\}$/,
    ],
    [Buffer.from('x'), erlang, /^\{invalid_term,/],
    [Buffer.from('{}'), 'text/plain', /^\{unknown_content_type,<<"text\/plain">>\}$/],
    [
      termJob(binary('b'), [tuple(atom('map'), tuple(atom('modfun'), atom('os'), atom('cmd')), 1, true)]),
      erlang,
      /^Phase 0: invalid module named/,
    ],
  ];
  for (const [request, type, text] of refused) assert.match(await errorOf(node, request, type), text);
  const values = [tuple(atom('map'), modfun('map_object_value'), atom('none'), true)];
  const failed = await errorOf(node, termJob([tuple(binary('b'), binary('none'))], values), erlang);
  assert.equal(JSON.parse(failed).error, 'function_clause');
});
