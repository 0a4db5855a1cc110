/** Data types over HTTP: what a real node answered, and what nobody may do to one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { byteLiteral, bytesOfText } from '../../../src/stdx/index.ts';
import { type Answer, type Send, type ServedNode, sendTo, serveNode } from './served-node.ts';

const json = { 'Content-Type': 'application/json' };
let node: ServedNode;
let send: Send;

before(async () => {
  node = await serveNode();
  send = sendTo(node);
  const { bucketTypes } = node.store;
  for (const datatype of ['counter', 'set', 'map', 'hll', 'gset', undefined]) {
    const name = bytesOfText(datatype === undefined ? 'plain' : `${datatype}s`);
    const custom = new Map(datatype === undefined ? [] : [['datatype', datatype]]);
    assert.equal(await bucketTypes.create(name, { custom }), undefined);
    assert.equal(await bucketTypes.activate(name), undefined);
  }
});

after(() => node[Symbol.asyncDispose]());

const at = (type: string, key: string) => `/types/${type}s/buckets/b/datatypes/${key}`;
const post = (type: string, key: string, body: string) => send('POST', at(type, key), json, body);
const seen = ({ status, body, headers }: Answer) => [status, body, headers['content-type']];
const jsonType = 'application/json';
const contextIn = ({ body }: Answer) => JSON.parse(body).context as string;

test('counters: the forms of an increment, what is returned, what is not found', async () => {
  const made = await post('counter', 'c', '{"increment":5}');
  assert.deepEqual(seen(made), [204, '', jsonType]);
  assert.equal(made.headers.vary, 'Accept-Encoding');
  const returned = await send('POST', `${at('counter', 'c')}?returnbody=true`, json, '{"decrement":2}');
  assert.deepEqual(seen(returned), [200, '{"type":"counter","value":3}', jsonType]);
  for (const body of ['3', '-1', '"increment"', '"decrement"', ' {"increment" : 1 } ']) {
    assert.equal((await post('counter', 'c', body)).status, 204);
  }
  for (const query of [
    '',
    '?include_context=false',
    '?r=1&pr=0&notfound_ok=true&basic_quorum=false&timeout=0',
  ]) {
    const got = await send('GET', at('counter', 'c') + query);
    assert.deepEqual(seen(got), [200, '{"type":"counter","value":6}', jsonType]);
  }
  assert.equal((await send('HEAD', at('counter', 'c'))).status, 200);
  const missing = await send('GET', at('counter', 'none'));
  assert.deepEqual(seen(missing), [404, '{"type":"counter","error":"notfound"}', jsonType]);
  assert.equal(missing.headers['x-riak-deleted'], undefined);
  const generated = await send('POST', '/types/counters/buckets/b/datatypes', json, '1');
  const location = String(generated.headers.location);
  assert.deepEqual([generated.status, generated.body], [201, '']);
  const key = /^\/types\/counters\/buckets\/b\/keys\/(\w+)$/.exec(location)![1];
  assert.equal((await send('GET', at('counter', key))).body, '{"type":"counter","value":1}');
});

test('numbers of 64 bits are not rounded', async () => {
  await post('counter', 'big', '9223372036854775807');
  await post('counter', 'big', '9223372036854775807');
  assert.equal(
    (await send('GET', at('counter', 'big'))).body,
    '{"type":"counter","value":18446744073709551614}',
  );
  const beyond = await post('counter', 'big', '9223372036854775808');
  assert.equal(beyond.status, 400);
  assert.match(beyond.body, /9223372036854775808/);
});

test('sets: members in their order, removal with and without a context', async () => {
  await post('set', 's', '{"add":"a"}');
  const added = await send('POST', `${at('set', 's')}?returnbody=true`, json, '{"add_all":["c","b"]}');
  const context = contextIn(added);
  assert.deepEqual(seen(added), [
    200,
    `{"type":"set","value":["a","b","c"],"context":"${context}"}`,
    jsonType,
  ]);
  const bare = await send('GET', `${at('set', 's')}?include_context=false`);
  assert.equal(bare.body, '{"type":"set","value":["a","b","c"]}');
  const absent = await post('set', 's', '{"remove":"zz"}');
  assert.deepEqual(seen(absent), [500, 'Error:\n{precondition,{not_present,<<"zz">>}}\n', 'text/plain']);
  await post('set', 's', '{"add":"b"}');
  await post('set', 's', `{"remove_all":["a","b"],"context":"${context}"}`);
  const valueAt = async (key: string) => JSON.parse((await send('GET', at('set', key))).body).value;
  assert.deepEqual(await valueAt('s'), ['b', 'c'], 'what was added after the context stays');
  // In the order in which they stand, and each as often as it does.
  assert.equal((await post('set', 'order', '{"add":"x","remove":"x","add":"y"}')).status, 204);
  assert.deepEqual(await valueAt('order'), ['y']);
  assert.equal((await post('set', 'order', '{"remove":"y","add":"y"}')).status, 204);
  assert.deepEqual(await valueAt('order'), ['y']);
  assert.equal((await post('set', 'order', '{"update":[{"add":"p"},{"add_all":["q","r"]}]}')).status, 204);
  assert.deepEqual(await valueAt('order'), ['p', 'q', 'r', 'y']);
  assert.equal((await send('DELETE', '/types/sets/buckets/b/keys/s')).status, 204);
  const gone = await send('GET', at('set', 's'));
  assert.deepEqual(seen(gone), [404, '{"type":"set","error":"notfound"}', jsonType]);
  assert.equal(gone.headers['x-riak-deleted'], 'true');
});

test('maps: every type of field, removal of fields, maps within maps', async () => {
  const body =
    '{"update":{"n_counter":1,"r_register":"hi","f_flag":"enable","s_set":{"add_all":["x","y"]},' +
    '"m_map":{"update":{"in_register":{"assign":"deep"}}}}}';
  const made = await send('POST', `${at('map', 'm')}?returnbody=true`, json, body);
  const value =
    '{"f_flag":true,"m_map":{"in_register":"deep"},"n_counter":1,"r_register":"hi","s_set":["x","y"]}';
  assert.deepEqual(made.body, `{"type":"map","value":${value},"context":"${contextIn(made)}"}`);
  assert.equal((await post('map', 'm', '{"remove":["r_register"]}')).status, 204);
  const context = contextIn(await send('GET', at('map', 'm')));
  await post('map', 'm', `{"remove":"f_flag","update":{"n_counter":5},"context":"${context}"}`);
  const { value: rest } = JSON.parse((await send('GET', at('map', 'm'))).body);
  assert.deepEqual(rest, { m_map: { in_register: 'deep' }, n_counter: 6, s_set: ['x', 'y'] });
  const absent = await post('map', 'm', '{"remove":"zz_register"}');
  assert.deepEqual(
    [absent.status, absent.body],
    [500, 'Error:\n{precondition,{not_present,{<<"zz">>,riak_dt_lwwreg}}}\n'],
  );
  assert.equal((await post('map', 'm', `{"remove":"zz_register","context":"${context}"}`)).status, 204);
});

test('R97: names such as __proto__ are names', async () => {
  const update = '{"update":{"__proto___map":{"update":{"constructor_counter":7}},"__proto___register":"p"}}';
  assert.equal((await post('map', '__proto__', update)).status, 204);
  const { value } = JSON.parse((await send('GET', at('map', '__proto__'))).body);
  assert.deepEqual(value, { __proto___map: { constructor_counter: 7 }, __proto___register: 'p' });
  assert.equal((await post('set', 'p', '{"__proto__":"x"}')).status, 400);
});

test('sketches and grow-only sets', async () => {
  const hll = await send('POST', `${at('hll', 'h')}?returnbody=true`, json, '{"add_all":["a","b","c"]}');
  assert.deepEqual(seen(hll), [200, '{"type":"hll","value":3}', jsonType]);
  const gset = await send('POST', `${at('gset', 'g')}?returnbody=true`, json, '{"add_all":["b","a"]}');
  assert.deepEqual(seen(gset), [200, '{"type":"gset","value":["a","b"]}', jsonType]);
  const removed = await post('gset', 'g', '{"remove":"a"}');
  assert.equal(removed.body, `Invalid operation on datatype 'gset': {"remove":"a"}\n`);
  const { props } = JSON.parse((await send('GET', '/types/hlls/props')).body);
  assert.deepEqual([props.datatype, props.hll_precision], ['hll', 14]);
});

test('what is no operation is refused with its reason, and changes nothing', async () => {
  const refusals: readonly (readonly [string, string, string | RegExp])[] = [
    ['counter', '{"add":"x"}', `Invalid operation on datatype 'counter': {"add":"x"}\n`],
    ['counter', '1.5', `Invalid operation on datatype 'counter': 1.5\n`],
    ['counter', '{"increment":1,"decrement":1}', /^Invalid operation on datatype 'counter'/],
    ['counter', '9'.repeat(30), /^Invalid operation on datatype 'counter'/],
    ['set', '{"add":1}', `Invalid operation on datatype 'set': {"add":1}\n`],
    ['set', '{"add_all":["x",null]}', `Invalid operation on datatype 'set': {"add_all":["x",null]}\n`],
    ['set', '[]', `Invalid operation on datatype 'set': []\n`],
    ['map', '{"update":{"x":1}}', "Invalid map field name 'x'\n"],
    ['map', '{"update":{"x_gset":{"add":"y"}}}', "Invalid map field name 'x_gset'\n"],
    ['map', '{"update":{"x_flag":true}}', `Invalid operation on datatype 'flag': true\n`],
    ['map', '{"remove":[1]}', `Invalid operation on datatype 'map': {"remove":[1]}\n`],
    ['set', '{"add":"x"', /^Couldn't decode JSON: .*\n$/],
    ['set', '{"add":"x"} y', /^Couldn't decode JSON: .*\n$/],
    ['set', '{"add":"\\q"}', /^Couldn't decode JSON: a string is malformed/],
    ['set', '', /^Couldn't decode JSON: /],
    ['set', '{"add":"x","context":"AAAA"}', 'The context is not one that this database issued.\n'],
  ];
  for (const [type, body, message] of refusals) {
    const refused = await post(type, 'bad', body);
    assert.equal(refused.status, 400, body);
    if (typeof message === 'string') assert.equal(refused.body, message);
    else assert.match(refused.body, message);
    assert.equal((await send('GET', at(type, 'bad'))).status, 404);
  }
  const binary = await send('POST', at('set', 'bad'), json, Buffer.from('{"add":"\xff"}', 'latin1'));
  assert.deepEqual([binary.status, binary.body], [400, 'Malformed JSON submitted, invalid UTF-8']);
});

test('R94: 100,000 arrays, and 50,000 maps, within each other are refused; the node answers on', async () => {
  const deepArrays = await post('set', 'deep', '['.repeat(100_000));
  assert.deepEqual([deepArrays.status, deepArrays.body.slice(0, 20)], [400, "Couldn't decode JSON"]);
  const deepMaps = await post('map', 'deep', '{"update":{"m_map":'.repeat(50_000));
  assert.equal(deepMaps.status, 400);
  const nested = (depth: number) =>
    `${'{"update":{"m_map":'.repeat(depth)}{"update":{"n_counter":1}}${'}}'.repeat(depth)}`;
  assert.equal((await post('map', 'deep', nested(29))).status, 204);
  const tooDeep = await post('map', 'deep', nested(30));
  assert.deepEqual([tooDeep.status, tooDeep.body], [400, 'Maps nest deeper than 30.\n']);
  const huge = await post('set', 'deep', `{"add":"${'x'.repeat(1_100_000)}"}`);
  assert.equal(huge.status, 413);
  assert.equal((await send('GET', '/ping')).status, 200);
});

test('where there is no data type, and where a request is not acceptable', async () => {
  const legacy = await send('GET', '/types/default/buckets/b/datatypes/x');
  assert.deepEqual(
    [legacy.status, legacy.headers.location, legacy.body],
    [301, '/buckets/b/counters/x', 'Counters in the default bucket-type should use the legacy URL'],
  );
  assert.equal((await send('GET', '/buckets/b/datatypes/x')).status, 404);
  const unknown = await send('GET', '/types/nosuch/buckets/b/datatypes/x');
  assert.deepEqual([unknown.status, unknown.body], [404, 'Unknown bucket type: nosuch']);
  const plain = await send('POST', '/types/plain/buckets/b/datatypes/x', json, '1');
  assert.deepEqual(
    [plain.status, plain.body],
    [403, "Bucket datatype 'undefined' is not a supported type.\n"],
  );
  const one = '/types/plain/buckets/one';
  await send('PUT', `${one}/props`, json, '{"props":{"allow_mult":false}}');
  const noSiblings = await send('GET', `${one}/datatypes/x`);
  assert.deepEqual([noSiblings.status, noSiblings.body], [403, 'Bucket must be allow_mult=true\n']);
  assert.equal(
    (await send('POST', at('set', 'k'), { 'Content-Type': 'text/plain' }, '{"add":"x"}')).status,
    406,
  );
  assert.equal((await send('GET', at('set', 'k'), { Accept: 'text/html' })).status, 406);
  assert.equal((await send('PUT', at('set', 'k'), json, '{"add":"x"}')).status, 405);
  assert.equal((await send('GET', `${at('set', 'k')}?r=x`)).status, 400);
  const quorum = await send('POST', `${at('set', 'k')}?w=5`, json, '{"add":"x"}');
  assert.deepEqual(
    [quorum.status, quorum.body],
    [400, 'Specified w/dw/pw/node_confirms values invalid for bucket n value of 3\n'],
  );
});

test('text is UTF-8; a value with other bytes is not shown as JSON', async () => {
  const unicode = await send(
    'POST',
    `${at('set', 'text')}?returnbody=true`,
    json,
    '{"add":"größe \\ud83d\\ude00"}',
  );
  const body = Buffer.from(unicode.body, 'latin1').toString('utf8');
  assert.deepEqual(JSON.parse(body).value, ['größe \u{1f600}']);
  const address = { bucketType: bytesOfText('sets'), bucket: byteLiteral('b'), key: byteLiteral('bytes') };
  const operation = { kind: 'set', steps: [{ kind: 'add', elements: [byteLiteral('\xff')] }] } as const;
  await new Promise((done) => node.datatypes.update({ ...address, operation }, done));
  const refused = await send('GET', at('set', 'bytes'));
  assert.equal(refused.status, 406);
  assert.match(refused.body, /not UTF-8/);
});

test('what a data type is to a plain get, and what a plain put is to a data type', async () => {
  await post('counter', 'seen', '5');
  const seenPlain = await send('GET', '/types/counters/buckets/b/keys/seen');
  assert.deepEqual([seenPlain.status, seenPlain.headers['content-type']], [200, 'application/riak_counter']);
  const text = { 'Content-Type': 'text/plain' };
  assert.equal((await send('PUT', '/types/counters/buckets/b/keys/plain', text, 'x')).status, 204);
  assert.equal((await send('GET', at('counter', 'plain'))).status, 404);
  assert.equal((await post('counter', 'plain', '2')).status, 204);
  assert.equal((await send('GET', at('counter', 'plain'))).body, '{"type":"counter","value":2}');
  assert.equal((await send('GET', '/types/counters/buckets/b/keys/plain')).status, 300);
});

test('counters of Riak 1.4', async () => {
  const refused = await send('POST', '/buckets/single/counters/c', {}, '5');
  assert.deepEqual(seen(refused), [409, "Counters require bucket property 'allow_mult=true'", 'text/plain']);
  await send('PUT', '/buckets/many/props', json, '{"props":{"allow_mult":true}}');
  const counter = '/buckets/many/counters/c';
  assert.deepEqual(seen(await send('POST', counter, {}, '5')), [204, '', 'text/plain']);
  assert.deepEqual(seen(await send('POST', `${counter}?returnvalue=true`, {}, '-2')), [
    200,
    '3',
    'text/plain',
  ]);
  assert.deepEqual(seen(await send('GET', counter)), [200, '3', 'text/plain']);
  for (const body of ['abc', '', '1.5', '1 2', '9'.repeat(30)]) {
    assert.equal((await send('POST', counter, {}, body)).status, 400);
  }
  assert.deepEqual(seen(await send('GET', '/buckets/many/counters/none')), [
    404,
    'not found\n',
    'text/plain',
  ]);
  const shown = await send('GET', '/buckets/many/keys/c');
  assert.deepEqual([shown.status, shown.headers['content-type']], [200, 'application/riak_counter']);
  assert.equal((await send('GET', '/types/counters/buckets/many/counters/c')).status, 404);
});
