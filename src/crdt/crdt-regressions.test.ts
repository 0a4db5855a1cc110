/** What went wrong in Riak (riak_dt, riak_kv), and what its interface promises, as stories. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteLiteral } from '../stdx/index.ts';
import {
  CausalContext,
  type Crdt,
  emptyCrdt,
  encodeCrdt,
  type FieldOperation,
  joinCrdts,
  nestingMax,
  updateCrdt,
} from './index.ts';
import {
  actorOf,
  add,
  assign,
  change,
  enable,
  field,
  increment,
  Replica,
  remove,
} from './replica.fixture.ts';

const sets = () => [1, 2, 3].map((n) => new Replica('set', n)) as [Replica, Replica, Replica];
const maps = () => [1, 2, 3].map((n) => new Replica('map', n)) as [Replica, Replica, Replica];

test('R70: an add and a removal that cross on their way leave nothing (riak_dt#82)', () => {
  const [a, b, c] = sets();
  a.update(add('x'));
  b.update(add('x'));
  c.receive(a);
  a.update(remove('x'));
  a.receive(b);
  b.update(remove('x'));
  c.receive(a);
  assert.deepEqual(b.receive(c).value, []);
});

test('R71: a removal at one replica leaves what another added (riak_dt#78)', () => {
  const [a, b, c] = sets();
  a.update(add('foo', 'bar'));
  b.update(add('baz'));
  c.receive(a, b);
  a.update(remove('bar'));
  assert.deepEqual(c.receive(a, b).value, ['baz', 'foo']);
});

test('R72: a flag disabled by what one read stays on if it was enabled meanwhile (riak_dt#82)', () => {
  const [a, b, c] = maps();
  a.update(change([], { on_flag: enable(true) }));
  b.update(change([], { on_flag: enable(true) }));
  c.receive(a);
  a.update(change([], { on_flag: enable(false) }));
  a.receive(b);
  b.update(change([], { on_flag: enable(false) }));
  assert.deepEqual(b.receive(c, a).value, [['on_flag', false]], 'it was disabled wherever it was enabled');
  b.update(change([], { on_flag: enable(true) }));
  a.update(change([], { on_flag: enable(false) }), c.context);
  assert.deepEqual(a.receive(b).value, [['on_flag', true]]);
});

test('R73: an update wins against a concurrent removal of its field, for what it touched (riak_dt#82)', () => {
  const [a, b] = maps();
  a.update(change([], { f_set: add('old'), r_register: assign('old') }));
  b.receive(a);
  a.update(change(['f_set', 'r_register']), a.context);
  assert.deepEqual(a.value, []);
  b.update(change([], { f_set: add('new') }));
  a.receive(b);
  b.receive(a);
  assert.deepEqual(a.value, [['f_set', ['new']]]);
  assert.deepEqual(b.value, a.value);
});

test('R74: a removal by context at an empty fallback holds after the field is removed too (riak_dt#99, #113)', () => {
  const [a, fallback, c] = maps();
  a.update(change([], { f_set: add('x', 'y'), m_map: change([], { n_set: add('deep') }) }));
  const read = a.context;
  const removal = change([], { f_set: remove('x'), m_map: change([], { n_set: remove('deep') }) });
  assert.equal(fallback.update(removal, read), undefined);
  assert.deepEqual(fallback.value, [
    ['f_set', []],
    ['m_map', [['n_set', []]]],
  ]);
  assert.equal(fallback.update(change(['f_set', 'm_map'])), undefined);
  assert.deepEqual(fallback.value, []);
  assert.deepEqual(c.receive(fallback, a).value, [
    ['f_set', ['y']],
    ['m_map', [['n_set', []]]],
  ]);
  assert.deepEqual(a.receive(...fallback.deltas.reverse()).value, c.value);
});

test('R74: a removal of a whole field at an empty fallback takes its set along, to any depth', () => {
  const [a, fallback, b] = maps();
  a.update(change([], { m_map: change([], { f_set: add('x') }) }));
  fallback.update(change(['m_map']), a.context);
  b.receive(a);
  b.update(change([], { m_map: change([], { f_set: add('y') }) }));
  assert.deepEqual(b.receive(fallback).value, [['m_map', [['f_set', ['y']]]]]);
});

test('R75: a field that was removed has {Y,Z} and no X, with and without a re-add (riak_dt#92, #93, #98)', () => {
  const story = (reAdds: boolean) => {
    const [a, b, c] = maps();
    a.update(change([], { f_set: add('X') }));
    b.receive(a);
    c.receive(a);
    b.update(change([], { f_set: add('Y') }));
    a.update(change(['f_set']), a.context);
    (reAdds ? a : c).update(change([], { f_set: add('Z') }));
    a.receive(b, c);
    assert.deepEqual(a.value, [['f_set', ['Y', 'Z']]]);
    assert.deepEqual(c.receive(b, a).value, a.value);
  };
  story(true);
  story(false);
});

test('R75: an increment concurrent with a removal is kept; of other actors nothing returns', () => {
  const [a, b, c] = maps();
  a.update(change([], { n_counter: increment(10) }));
  b.receive(a);
  b.update(change([], { n_counter: increment(100) }));
  c.receive(b);
  c.update(change(['n_counter']), c.context);
  b.update(change([], { n_counter: increment(1) }));
  c.receive(b);
  assert.deepEqual(c.value, [['n_counter', 101n]], "b's older increments return with its newer one");
  c.update(change(['n_counter']));
  c.update(change([], { n_counter: increment(5) }));
  assert.deepEqual(c.receive(a, b).value, [['n_counter', 5n]], 'a removal that saw all leaves nothing');
});

test('riak_kv#761: an add and a removal of one element in one request', () => {
  const both: FieldOperation & { kind: 'set' } = {
    kind: 'set',
    steps: [...add('x').steps, ...remove('x').steps],
  };
  const [a, b] = sets();
  a.update(add('y'));
  const read = a.context;
  a.update(both);
  assert.deepEqual(a.value, ['y'], 'without context the removal comes after the add');
  b.receive(a);
  b.update(both, read);
  assert.deepEqual(b.value, ['x', 'y'], 'the client had not read this add');
});

test('a removal without context must find what it removes, or nothing of the request is done', () => {
  const [a, b] = sets();
  a.update(add('x'));
  const before = a.crdt;
  assert.deepEqual(a.update(remove('x', 'zz')), { kind: 'element_not_present', element: 'zz' });
  assert.equal(a.crdt, before);
  assert.deepEqual(a.update(remove('x', 'x')), { kind: 'element_not_present', element: 'x' });
  assert.equal(a.update(remove('zz'), a.context), undefined, 'with a context it need not');
  assert.deepEqual(a.value, ['x']);
  assert.equal(b.update(remove('x'), a.context), undefined);
  assert.deepEqual(b.receive(a).value, [], 'the removal waited for the add');

  const [m] = maps();
  assert.deepEqual(m.update(change(['f_set'], { g_set: add('x') })), {
    kind: 'field_not_present',
    field: field('f_set'),
  });
  m.update(change([], { f_set: add('x') }));
  const refusal = m.update(change([], { g_counter: increment(1), f_set: remove('y') }));
  assert.deepEqual(refusal, { kind: 'element_not_present', element: 'y' });
  assert.deepEqual(m.value, [['f_set', ['x']]]);
});

test('removes of fields come before updates: both of one field reset it', () => {
  const [m] = maps();
  m.update(change([], { f_set: add('x'), n_counter: increment(7), r_register: assign('old') }));
  m.update(change(['f_set', 'n_counter'], { f_set: add('y'), n_counter: increment(1) }), m.context);
  assert.deepEqual(m.value, [
    ['f_set', ['y']],
    ['n_counter', 1n],
    ['r_register', 'old'],
  ]);
  m.update(change(['f_set', 'n_counter'], { f_set: add('z'), n_counter: increment(2) }));
  assert.deepEqual(m.value, [
    ['f_set', ['z']],
    ['n_counter', 2n],
    ['r_register', 'old'],
  ]);
});

test('updates of one field in one request follow each other', () => {
  const m = new Replica('map', 1);
  const update = (name: string, operation: FieldOperation) => ({ field: field(name), operation });
  m.update({
    kind: 'map',
    removes: [],
    updates: [
      update('n_counter', increment(2)),
      update('n_counter', increment(-5)),
      update('r_register', assign('z')),
      update('r_register', assign('a')),
      update('f_flag', enable(true)),
      update('f_flag', enable(false)),
      update('s_set', add('x', 'y')),
      update('s_set', remove('x')),
      update('m_map', change([], { s_set: add('x') })),
      update('m_map', change(['s_set'], { n_counter: increment(1) })),
    ],
  });
  assert.deepEqual(m.value, [
    ['f_flag', false],
    ['m_map', [['n_counter', 1n]]],
    ['n_counter', -3n],
    ['r_register', 'a'],
    ['s_set', ['y']],
  ]);
});

test('names of strangers are names: equal names of two types are two fields, __proto__ is one', () => {
  const [m] = maps();
  m.update(
    change([], {
      a_set: add('__proto__', 'constructor'),
      __proto___register: assign('x'),
      a_counter: increment(1),
    }),
  );
  assert.deepEqual(m.value, [
    ['__proto___register', 'x'],
    ['a_counter', 1n],
    ['a_set', ['__proto__', 'constructor']],
  ]);
});

test('a register keeps what was assigned last by wall time, and the greater bytes of one microsecond', () => {
  const [a, b] = maps();
  a.update(change([], { r_register: assign('new') }), undefined, 20);
  const read = a.context;
  a.update(change([], { r_register: assign('late') }), undefined, 10);
  assert.deepEqual(a.value, [['r_register', 'new']]);
  b.update(change([], { r_register: assign('zzz') }), undefined, 20);
  assert.deepEqual(b.receive(a).value, [['r_register', 'zzz']]);
  a.update(change(['r_register']), read);
  assert.deepEqual(a.value, [['r_register', 'late']], 'it was assigned after what the client had read');
});

test('a register under a clock that only goes back does not grow', () => {
  const [a] = maps();
  for (let micros = 1000; micros > 0; micros -= 1)
    a.update(change([], { r_register: assign('v') }), undefined, micros);
  assert.ok(encodeCrdt(a.crdt).length < 100);
});

test('a field that was emptied shows, one that was removed does not', () => {
  const [m] = maps();
  m.update(change([], { s_set: add('x'), f_flag: enable(false), m_map: change([]) }));
  m.update(change([], { s_set: remove('x') }));
  assert.deepEqual(m.value, [
    ['f_flag', false],
    ['m_map', []],
    ['s_set', []],
  ]);
  m.update(change(['s_set', 'f_flag', 'm_map']));
  assert.deepEqual(m.value, []);
  assert.ok(encodeCrdt(m.crdt).length < 24, 'and leaves nothing behind but what was seen');
});

test('a context of another key of the same vnode cannot remove what comes after it', () => {
  const [other] = sets();
  for (let i = 0; i < 50; i += 1) other.update(add(`e${i}`));
  const [a, b] = sets();
  a.update(add('x'));
  a.update({ kind: 'set', steps: [...add('y').steps, ...remove('y').steps] }, other.context);
  assert.deepEqual(a.value, ['x', 'y']);
  for (let i = 0; i < 3; i += 1) a.update(add('y', 'z'));
  assert.deepEqual(b.receive(...a.deltas).value, ['x', 'y', 'z']);
});

test('after a delete, what the same vnode wrote before it does not come back by a late replica', () => {
  const dot = (counter: number) => ({ actor: actorOf(1), counter });
  const run = (state: Crdt, operation: FieldOperation & { kind: 'set' }, counter: number) => {
    const result = updateCrdt(state, { operation, dot: dot(counter), micros: 1 });
    assert.equal(result.kind, 'updated');
    return result.kind === 'updated' ? result.state : state;
  };
  const late = run(run(emptyCrdt('set'), add('old'), 1), add('older'), 2);
  // Counter 3 was the delete; the vnode starts from nothing and goes on counting.
  const fresh = run(emptyCrdt('set'), add('new'), 4);
  assert.equal(joinCrdts(fresh, late), fresh);
});

test('a type is updated by its own operations alone', () => {
  const [s] = sets();
  const [m] = maps();
  const mismatch = { kind: 'type_mismatch', expected: 'set', actual: 'counter' };
  assert.deepEqual(s.update(increment(1)), mismatch);
  assert.deepEqual(m.update(change([], { f_set: increment(1) })), mismatch);
  const counter = new Replica('counter', 1);
  assert.equal(counter.update(increment(2n ** 63n))?.kind, 'increment_out_of_range');
  assert.equal(counter.update(increment(2n ** 63n - 1n)), undefined);
  assert.equal(counter.update(increment(2n ** 63n - 1n)), undefined);
  assert.equal(counter.value, 2n ** 64n - 2n, 'unbounded inside');
});

test('maps nest up to a limit, far from the end of the stack', () => {
  const nested = (depth: number) => {
    let operation: FieldOperation & { kind: 'map' } = change([], { n_counter: increment(1) });
    for (let i = 1; i < depth; i += 1) operation = change([], { m_map: operation });
    return operation;
  };
  const [a, b] = maps();
  assert.equal(a.update(nested(nestingMax)), undefined);
  assert.deepEqual(b.receive(a).value, a.value);
  assert.deepEqual(a.update(nested(nestingMax + 1)), { kind: 'nested_too_deep', nestingMax });
  assert.deepEqual(a.update(nested(50_000)), { kind: 'nested_too_deep', nestingMax });
});

test('the context covers all there is, and no context covers counters', () => {
  const [a, b] = maps();
  a.update(change([], { m_map: change([], { s_set: add('x') }) }));
  b.update(change([], { n_counter: increment(1) }));
  b.receive(a);
  assert.ok(b.context?.covers({ actor: actorOf(1), counter: 1 }));
  assert.ok(b.context?.covers({ actor: actorOf(2), counter: 1 }));
  assert.ok(new Replica('map', 1).context?.isEmpty, 'of an empty map it covers nothing');
  const counter = new Replica('counter', 1);
  counter.update(increment(1), CausalContext.ofRange(actorOf(1), 1, 5));
  assert.equal(counter.context, undefined);
  assert.equal(counter.value, 1n);
});

test('deltas are as large as the operation, not as the value', () => {
  const bytesOf = (replica: Replica) => encodeCrdt(replica.deltas.at(-1) as Crdt).length;
  const many = Array.from({ length: 10_000 }, (_, i) => `element ${i}`);
  const [set] = sets();
  set.update(add(...many));
  set.update(add('one more'));
  assert.ok(bytesOf(set) < 40);
  set.update(remove('element 77'));
  assert.ok(bytesOf(set) < 40, 'also of an element that came with 10,000 others under one dot');

  const [map] = maps();
  map.update(change([], { big_set: add(...many), n_counter: increment(1) }));
  map.update(change([], { n_counter: increment(1), big_set: add('one more') }));
  assert.ok(bytesOf(map) < 80);
  map.update(change(['big_set']));
  assert.ok(bytesOf(map) < 60);

  const gset = new Replica('gset', 1);
  gset.update({ kind: 'gset', adds: many.map(byteLiteral) });
  gset.update({ kind: 'gset', adds: [byteLiteral('one more'), byteLiteral('element 5')] });
  assert.equal(bytesOf(gset), 2 + 1 + 1 + 8);
  const hll = new Replica('hll', 1);
  hll.update({ kind: 'hll', adds: many.map(byteLiteral) });
  hll.update({ kind: 'hll', adds: [byteLiteral('one more')] });
  assert.ok(bytesOf(hll) < 12);
});
