/**
 * T1 to T3 over random histories: replicas that update, lose no dot, and are sent any delta and any state
 * that ever was, in any order and number; clients that remove by any context that was ever read. The
 * oracle keeps plain facts and is told of the same events.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import { actorId, type Dot } from '../clocks/index.ts';
import { byteLiteral, byteStringOf } from '../stdx/index.ts';
import { joinKnowledge, type Knowledge, nothingKnown, Oracle } from './crdt-oracle.fixture.ts';
import {
  type CausalContext,
  type Crdt,
  type CrdtOperation,
  contextOfCrdt,
  decodeContext,
  decodeCrdt,
  emptyCrdt,
  encodeContext,
  encodeCrdt,
  type FieldOperation,
  type FieldValue,
  joinCrdts,
  type MapField,
  updateCrdt,
  valueOfCrdt,
} from './index.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 400);
const replicas = 3;
const actors = [1, 2, 3].map((n) => actorId(byteStringOf(Buffer.from([0xff, n, 0, 0, 0, 0, 0, 0])), n));

const name = fc.constantFrom('a', 'b', '__proto__').map(byteLiteral);
const elements = fc.array(name, { minLength: 1, maxLength: 2 });
const counterOperations = fc.record({
  kind: fc.constant('counter' as const),
  increment: fc.bigInt({ min: -5n, max: 9n }),
});
const setOperations = fc.record({
  kind: fc.constant('set' as const),
  steps: fc.array(fc.record({ kind: fc.constantFrom('add' as const, 'add' as const, 'remove'), elements }), {
    minLength: 1,
    maxLength: 3,
  }),
});
const registerOperations = fc.record({ kind: fc.constant('register' as const), value: name });
const flagOperations = fc.record({ kind: fc.constant('flag' as const), enable: fc.boolean() });

const mapOperations = (depth: number): fc.Arbitrary<FieldOperation & { kind: 'map' }> => {
  const operations: fc.Arbitrary<FieldOperation>[] = [
    counterOperations,
    setOperations,
    registerOperations,
    flagOperations,
    setOperations,
  ];
  if (depth < 2) operations.push(mapOperations(depth + 1));
  const updates = fc.tuple(name, fc.oneof(...operations)).map(([fieldName, operation]) => ({
    field: { name: fieldName, type: operation.kind },
    operation,
  }));
  const types = depth < 2 ? (['set', 'counter', 'flag', 'map'] as const) : (['set', 'register'] as const);
  const fields: fc.Arbitrary<MapField> = fc.record({ name, type: fc.constantFrom(...types) });
  return fc.record({
    kind: fc.constant('map' as const),
    removes: fc.array(fields, { maxLength: 1 }),
    updates: fc.uniqueArray(updates, {
      maxLength: 3,
      selector: ({ field }) => JSON.stringify(field),
    }),
  });
};

const operationsOf = {
  counter: counterOperations,
  map: mapOperations(0),
  set: setOperations,
} as const;

const place = fc.nat({ max: 1000 });
const stepsOf = (operations: fc.Arbitrary<CrdtOperation>) =>
  fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('update' as const),
          at: place,
          operation: operations,
          context: fc.option(place, { nil: undefined }),
          micros: fc.nat({ max: 4 }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('read' as const), at: place }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('state' as const), at: place, which: place }),
      },
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('delta' as const), at: place, which: place }),
      },
    ),
    { minLength: 1, maxLength: 25, size: 'max' },
  );

/** The same thing as implementation and as facts. */
interface Both {
  readonly crdt: Crdt;
  readonly facts: Knowledge;
}

interface Read {
  readonly context: CausalContext | undefined;
  readonly seen: ReadonlySet<string>;
}

const textOf = (crdt: Crdt) => encodeCrdt(crdt).toString('hex');
const reread = (crdt: Crdt) => decodeCrdt(encodeCrdt(crdt));
const join = (a: Both, b: Both): Both => ({
  crdt: joinCrdts(a.crdt, b.crdt),
  facts: joinKnowledge(a.facts, b.facts),
});

class History {
  readonly oracle = new Oracle();
  readonly states: Both[] = [];
  readonly deltas: Both[] = [];
  readonly replicas: Both[];
  readonly #reads: Read[] = [];
  readonly #issued = actors.map(() => 0);
  readonly #type: 'counter' | 'map' | 'set';

  constructor(type: 'counter' | 'map' | 'set') {
    this.#type = type;
    this.replicas = actors.map(() => ({ crdt: emptyCrdt(type), facts: nothingKnown }));
  }

  run(
    steps: readonly (ReturnType<typeof stepsOf> extends fc.Arbitrary<infer S> ? S : never)[number][],
  ): void {
    for (const step of steps) {
      const at = step.at % replicas;
      if (step.kind === 'update') this.#update(at, step);
      else if (step.kind === 'read') this.#read(at);
      else this.#deliver(at, step.kind === 'state' ? this.states : this.deltas, step.which);
      const { crdt, facts } = this.replicas[at];
      assert.deepEqual(comparable(crdt), this.oracle.value(facts, this.#type));
    }
  }

  #update(at: number, step: { operation: CrdtOperation; context: number | undefined; micros: number }): void {
    const before = this.replicas[at];
    const actor = actors[at];
    const dot: Dot = { actor, counter: this.#issued[at] + 1 };
    const read = step.context === undefined ? undefined : this.#reads[step.context % this.#reads.length];
    // A read of nothing has no context: the request has none either.
    const context = read?.context;
    const bytes = textOf(before.crdt);
    const { operation, micros } = step;
    const result = updateCrdt(before.crdt, { operation, dot, micros, context });
    const facts = this.oracle.update(before.facts, {
      operation,
      dot: dotName(dot),
      actor,
      micros,
      context: context === undefined ? undefined : read?.seen,
    });
    assert.equal(result.kind === 'updated', facts !== undefined, 'refused by both or by none');
    assert.equal(textOf(before.crdt), bytes, 'a state never changes');
    if (result.kind === 'refused' || facts === undefined) return;
    this.#issued[at] += facts.seen.size;
    const delta = { crdt: reread(result.delta), facts };
    const after = { crdt: reread(result.state), facts: joinKnowledge(before.facts, facts) };
    this.deltas.push(delta);
    this.#set(at, after);
  }

  #read(at: number): void {
    const { crdt, facts } = this.replicas[at];
    const context = contextOfCrdt(crdt);
    const carried = context && decodeContext(encodeContext(context));
    assert.equal(carried === undefined, context === undefined);
    this.#reads.push({ context: carried, seen: facts.seen });
  }

  #deliver(at: number, sent: readonly Both[], which: number): void {
    if (sent.length === 0) return;
    this.#set(at, join(this.replicas[at], sent[which % sent.length]));
  }

  #set(at: number, state: Both): void {
    this.replicas[at] = state;
    this.states.push(state);
  }
}

const dotName = ({ actor, counter }: Dot) => `${actors.indexOf(actor)}:${counter}`;

function comparable(crdt: Crdt): unknown {
  const { type, value } = valueOfCrdt(crdt);
  return type === 'map' ? comparableField({ type, value }) : value;
}

function comparableField(field: FieldValue): unknown {
  if (field.type !== 'map') return field.value;
  const named = field.value.map(
    ({ field: { name: n, type }, value }) => [`${type}:${n}`, comparableField(value)] as const,
  );
  return new Map([...named].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function historyOf(type: 'counter' | 'map' | 'set', steps: Parameters<History['run']>[0]): History {
  const history = new History(type);
  history.run(steps);
  return history;
}

for (const type of ['counter', 'set', 'map'] as const) {
  test(`T1, T3: a ${type} shows what the oracle shows, after any history`, () => {
    fc.assert(
      fc.property(stepsOf(operationsOf[type]), (steps) => {
        historyOf(type, steps);
      }),
      { numRuns },
    );
  });

  test(`T1: the join of ${type}s is a semilattice, of states and deltas, to the byte`, () => {
    fc.assert(
      fc.property(stepsOf(operationsOf[type]), fc.tuple(place, place, place), (steps, picked) => {
        const { states, deltas } = historyOf(type, steps);
        const all = [...states, ...deltas].map(({ crdt }) => crdt);
        if (all.length === 0) return;
        const [a, b, c] = picked.map((n) => all[n % all.length]);
        assert.equal(textOf(joinCrdts(a, b)), textOf(joinCrdts(b, a)));
        assert.equal(textOf(joinCrdts(joinCrdts(a, b), c)), textOf(joinCrdts(a, joinCrdts(b, c))));
        assert.equal(joinCrdts(a, reread(a)), a);
        const ab = joinCrdts(a, b);
        assert.equal(joinCrdts(ab, reread(b)), ab, 'what adds nothing gives the same value');
      }),
      { numRuns },
    );
  });

  test(`T1: ${type}s converge by deltas alone, shuffled and doubled, and by states`, () => {
    fc.assert(
      fc.property(stepsOf(operationsOf[type]), fc.infiniteStream(fc.nat()), (steps, chance) => {
        const { deltas, replicas: ends } = historyOf(type, steps);
        const whole = ends.map(({ crdt }) => crdt).reduce(joinCrdts);
        const sent = [...deltas, ...deltas].map(({ crdt }) => ({ crdt, order: Number(chance.next().value) }));
        sent.sort((a, b) => a.order - b.order);
        const fresh = sent.reduce((state, { crdt }) => joinCrdts(state, crdt), emptyCrdt(type));
        assert.equal(textOf(fresh), textOf(whole));
      }),
      { numRuns },
    );
  });

  test(`T2: a ${type} that has what went before has by the delta what the state would bring`, () => {
    fc.assert(
      fc.property(
        stepsOf(operationsOf[type]),
        stepsOf(operationsOf[type]),
        operationsOf[type],
        (steps, more, operation) => {
          const history = historyOf(type, steps);
          const [, before] = history.replicas;
          history.run(more.map((step) => ({ ...step, at: 0 })));
          const ahead = joinCrdts(history.replicas[0].crdt, before.crdt);
          const dot = { actor: actors[1], counter: 1000 };
          const result = updateCrdt(before.crdt, { operation, dot, micros: 2 });
          if (result.kind === 'refused') return;
          assert.equal(textOf(joinCrdts(ahead, result.delta)), textOf(joinCrdts(ahead, result.state)));
        },
      ),
      { numRuns },
    );
  });
}

test('a counter is the sum of what was asked for, each update once', () => {
  fc.assert(
    fc.property(stepsOf(operationsOf.counter), (steps) => {
      const history = historyOf('counter', steps);
      let sum = 0n;
      for (const step of steps)
        if (step.kind === 'update') sum += (step.operation as { increment: bigint }).increment;
      const whole = history.replicas.map(({ crdt }) => crdt).reduce(joinCrdts);
      assert.equal(valueOfCrdt(whole).value, sum);
    }),
    { numRuns },
  );
});
