import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkLinearizable,
  type RegisterAction,
  type RegisterOperation,
  type RegisterValue,
} from './linearizability.ts';

const numRuns = Number(process.env.LAW_RUNS ?? 500);

/** `'w1'`, `'r1'`, `'r-'` (nothing there), `'c1>2'` done, `'c1>2!'` refused, `'w1?'` and `'c1>2?'` unknown. */
function actionOf(text: string): RegisterAction {
  const value = (digits: string): RegisterValue => (digits === '-' ? undefined : Number(digits));
  if (text.startsWith('r')) return { kind: 'read', value: value(text.slice(1)) };
  const body = text.replace(/[?!]$/, '').slice(1);
  if (text.startsWith('w')) return { kind: 'write', value: Number(body) };
  const [expected, wanted] = body.split('>');
  const isDone = text.endsWith('?') ? undefined : !text.endsWith('!');
  return { kind: 'compare-and-set', expected: value(expected!), value: Number(wanted), isDone };
}

/** One line a client: an operation stands from where its text begins to where it ends, in columns. */
function history(...lines: readonly string[]): RegisterOperation[] {
  return lines.flatMap((line, i) =>
    [...line.matchAll(/(\S+?)(_*)(?=\s|$)/g)].map((match) => {
      const text = match[1]!;
      const returnedAt = text.endsWith('?') ? undefined : match.index + match[0].length;
      return { client: String(i), key: 'x', action: actionOf(text), calledAt: match.index, returnedAt };
    }),
  );
}

const good: readonly (readonly [string, readonly string[]])[] = [
  ['nothing happened', []],
  ['one after another', ['w1 r1 w2 r2']],
  ['a read sees a write under way', ['w1____________', '   r-  r1   r1']],
  ['two readers agree on the order of two writes', ['w1_____', 'w2_____', '        r1', '  r2_____']],
  ['a write of unknown outcome shows late', ['w1?', '    r-  r-  r1']],
  ['and never has to', ['w1?', '    r-  r-  r-']],
  ['compare-and-set', ['w1 c1>2 r2 c1>3! r2']],
  ['compare-and-set of unknown outcome, done', ['w1 c1>2?', '         r1 r2']],
  ['compare-and-set of unknown outcome, not done', ['w1 c1>2?', '         r1 w3 r3 r3']],
];

const bad: readonly (readonly [string, readonly string[]])[] = [
  ['a read of what nobody wrote', ['w1 r2']],
  ['a stale read', ['w1 w2 r1']],
  ['a lost write', ['w1 r-']],
  ['new, then old', ['w1______________', '   r1  r-']],
  ['two readers that disagree', ['w1_____ ', 'w2_____ ', '         r1 r2 r1']],
  ['a write of unknown outcome that shows and goes', ['w1?', '    r1 r-']],
  ['two compare-and-sets from one state', ['w1 c1>2', '   c1>3']],
  ['a refused compare-and-set that had to be done', ['w1 c1>2! r1']],
];

for (const [name, lines] of good) {
  test(`linearizable: ${name}`, () => {
    assert.deepEqual(checkLinearizable(history(...lines)), { kind: 'linearizable' });
  });
}

for (const [name, lines] of bad) {
  test(`not linearizable: ${name}`, () => {
    assert.equal(checkLinearizable(history(...lines)).kind, 'violation');
  });
}

test('keys are apart, and the violation names its own', () => {
  const other = history('w1 r1').map((operation) => ({ ...operation, key: 'y' }));
  const verdict = checkLinearizable([...other, ...history('w1 w2 r1')]);
  assert.ok(verdict.kind === 'violation');
  assert.equal(verdict.key, 'x');
  assert.deepEqual(
    verdict.explained.map(({ action }) => action.kind),
    ['write', 'write'],
  );
});

test('a search that would be too long says so', () => {
  const concurrent = Array.from({ length: 12 }, (_, i) => `w${i}__________________`);
  assert.deepEqual(checkLinearizable(history(...concurrent, '                      r99'), 100), {
    kind: 'undecided',
    key: 'x',
  });
});

interface Step {
  readonly client: number;
  readonly before: number;
  readonly width: number;
  readonly kind: RegisterAction['kind'];
  readonly value: number;
  readonly isForgotten: boolean;
}

const steps = fc.array(
  fc.record<Step>({
    client: fc.nat(4),
    before: fc.nat(20),
    width: fc.nat(20),
    kind: fc.constantFrom('read', 'write', 'compare-and-set'),
    value: fc.nat(3),
    isForgotten: fc.boolean(),
  }),
  { maxLength: 40 },
);

/** Runs the steps in order at one register, each at a moment inside the time that its client sees. */
function run(list: readonly Step[]): RegisterOperation[] {
  let state: RegisterValue;
  return list.map(({ client, before, width, kind, value, isForgotten }, i) => {
    const at = i * 10;
    let action: RegisterAction;
    if (kind === 'read') action = { kind, value: state };
    else if (kind === 'write') action = { kind, value };
    else {
      const isDone = state === 1;
      action = { kind, expected: 1, value, isDone: isForgotten ? undefined : isDone };
    }
    if (kind === 'write' || (kind === 'compare-and-set' && state === 1)) state = value;
    const returnedAt = isForgotten && kind !== 'read' ? undefined : at + width;
    return { client: String(client), key: 'x', action, calledAt: at - before, returnedAt };
  });
}

test('what a register did is linearizable, however its operations overlapped', () => {
  fc.assert(
    fc.property(steps, (list) => assert.equal(checkLinearizable(run(list)).kind, 'linearizable')),
    { numRuns },
  );
});

test('a small history is linearizable exactly if some order of it is, by brute force', () => {
  const value = fc.option(fc.nat(2), { nil: undefined });
  const operation = fc
    .record({
      action: fc.oneof(
        fc.record({ kind: fc.constant('read' as const), value }),
        fc.record({ kind: fc.constant('write' as const), value: fc.nat(2) }),
        fc.record({
          kind: fc.constant('compare-and-set' as const),
          expected: value,
          value: fc.nat(2),
          isDone: fc.option(fc.boolean(), { nil: undefined }),
        }),
      ),
      calledAt: fc.nat(10),
      width: fc.nat(8),
    })
    .map(({ action, calledAt, width }) => ({
      client: '0',
      key: 'x',
      action,
      calledAt,
      returnedAt: calledAt + width,
    }));
  let violations = 0;
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
      const expected = someOrderFits(operations, undefined);
      if (!expected) violations += 1;
      assert.equal(checkLinearizable(operations).kind, expected ? 'linearizable' : 'violation');
    }),
    { numRuns },
  );
  assert.ok(violations > numRuns / 10 && violations < (9 * numRuns) / 10, `${violations} violations`);
});

/** The slow oracle: every order that respects who returned before whom was called. */
function someOrderFits(left: readonly RegisterOperation[], state: RegisterValue): boolean {
  if (left.length === 0) return true;
  return left.some((first) => {
    const isFirst = left.every((other) => other === first || other.returnedAt! >= first.calledAt);
    if (!isFirst) return false;
    const { action } = first;
    const rest = left.filter((other) => other !== first);
    if (action.kind === 'read') return action.value === state && someOrderFits(rest, state);
    if (action.kind === 'write') return someOrderFits(rest, action.value);
    const isMatch = action.expected === state;
    if (action.isDone !== undefined && action.isDone !== isMatch) return false;
    return someOrderFits(rest, isMatch ? action.value : state);
  });
}
