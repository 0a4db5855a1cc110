import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HaleError } from '../hale-error.ts';
import { sourceOfFunction } from './function-source.ts';

test('functions and arrows are sent as they stand, as expressions', () => {
  const functions: readonly ((value: number) => unknown)[] = [
    (value) => [value + 1],
    (value: number): number[] => {
      return [value + 1];
    },
    (value) => [value + 1],
    function named(value) {
      return [value + 1];
    },
    (_value, ..._rest: unknown[]) => [8],
  ];
  for (const run of functions) assert.equal(sourceOfFunction(run), `(${String(run)})`);
});

test('what has no source of its own, or must be waited for, is refused', () => {
  const holder = {
    method(this: void, value: number) {
      return [value];
    },
    async waits(this: void) {
      return [await Promise.resolve(1)];
    },
  };
  const { method, waits } = holder;
  const refused: readonly ((...args: never[]) => unknown)[] = [
    method,
    waits,
    async () => [await Promise.resolve(1)],
    async () => [await Promise.resolve(1)],
    function* () {
      yield 1;
    },
    Math.max,
    (() => []).bind(undefined),
    class {} as never,
  ];
  for (const run of refused) assert.throws(() => sourceOfFunction(run), HaleError, String(run));
});
