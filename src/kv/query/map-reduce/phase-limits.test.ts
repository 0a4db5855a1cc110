/** What a phase does not even begin with, since it would end the node. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VersionVector } from '../../../clocks/index.ts';
import type { Instant, WallMicros } from '../../../environment/index.ts';
import type { Sandbox } from '../../../sandbox/index.ts';
import { byteLiteral } from '../../../stdx/index.ts';
import { encodeContent, stampContent } from '../../../wire/index.ts';
import type { GetRequest, GetResult, KeyValueStore } from '../../key-value-store.ts';
import { makeObject } from '../../object/index.ts';
import { erlangMapFunctions } from './erlang-map.ts';
import { type Item, jsonOfTerm } from './item.ts';
import { JobBudget } from './job-budget.ts';
import { inputMax, JobScripts } from './job-scripts.ts';
import { BuiltInMap } from './map-phase.ts';
import { withinLimits } from './phase.ts';

function newBudget(): JobBudget {
  const environment = {
    clock: { now: () => 0 as Instant, wallMicros: () => 0 as WallMicros },
    tasks: { endOfTurn: (then: () => void) => queueMicrotask(then) },
  };
  return new JobBudget(environment, { timeoutMs: 1000, heldBytesMax: 2 ** 40, scriptMsMax: 1000 });
}

function failureOf(error: string): object {
  return { problem: { kind: 'phase_failed', phase: 3, error, input: '', type: 'limit', stack: '[]' } };
}

test('an input that would be too long for a call is not made', async () => {
  const sandbox = {} as Sandbox;
  const scripts = new JobScripts(sandbox, newBudget(), { memoryBytesMax: 2 ** 31 });
  const run = scripts.run({
    phase: 3,
    driver: 'reduce',
    source: '',
    inputLength: inputMax + 1,
    input: () => assert.fail('it was made'),
    shownInput: () => '',
  });
  const error = `the input of one call of the function is longer than ${inputMax} characters`;
  await assert.rejects(run, failureOf(error));
});

test('a text that is longer than a string may be fails its phase', async () => {
  const made = withinLimits(3, async () => 'x'.repeat(2 ** 29));
  await assert.rejects(made, failureOf('Invalid string length'));
});

test('an object that was stored with more links than may be is not looked into', async () => {
  const names = { bucket: byteLiteral('b'), key: byteLiteral('k') };
  const mapped = async (linkCount: number): Promise<readonly Item[]> => {
    const links = new Array(linkCount).fill({ ...names, tag: byteLiteral('t') });
    const bare = { value: Buffer.from('v'), links, userMeta: [], indexes: [], deleted: false };
    const content = stampContent(encodeContent(bare), byteLiteral('tag'), 7);
    const object = makeObject(VersionVector.empty, [{ dot: undefined, content }]);
    const get = (_: GetRequest, done: (result: GetResult) => void) => done({ kind: 'found', object });
    const budget = newBudget();
    const store = { get } as unknown as KeyValueStore;
    const scripts = new JobScripts(undefined, budget, { memoryBytesMax: 1 });
    const tools = { store, budget, scripts, wait: async () => undefined };
    const phase = new BuiltInMap(3, tools, erlangMapFunctions.get('map_object_value')!, undefined);
    const address = { ...names, bucketType: byteLiteral('default') };
    return phase.push([{ kind: 'key', address, keyData: undefined, isFound: true }]);
  };
  assert.equal((await mapped(10_000)).length, 1);
  await assert.rejects(mapped(10_001), (error: { problem?: { error?: string } }) => {
    assert.equal(error.problem?.error, 'the object has more links or user metadata than may be');
    return true;
  });
});

test('a number that JSON cannot say is null, as JSON.stringify has it', () => {
  assert.equal(jsonOfTerm([JSON.parse('1e999'), 1]), '[null,1]');
});
