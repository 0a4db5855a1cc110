import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environmentVariableOf } from './environment-variable.ts';
import { flagDefinitions } from './flag.ts';
import { relations } from './relation.ts';
import { configurationKeys, defaultConfiguration, definitionOf, sections } from './schema.ts';

test('every key stands in one section', () => {
  assert.deepEqual(
    sections.flatMap(({ keys }) => keys),
    configurationKeys,
  );
});

test('every key is described in a sentence', () => {
  for (const key of configurationKeys) assert.match(definitionOf(key).doc, /^[A-Z].{20,}\.$/, key);
});

test('names are lower case, and no name is a table of another', () => {
  for (const key of configurationKeys) {
    assert.match(key, /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$/);
    const inside = configurationKeys.filter((other) => other.startsWith(`${key}.`));
    assert.deepEqual(inside, [], key);
  }
});

test('no two keys share an environment variable', () => {
  assert.equal(new Set(configurationKeys.map(environmentVariableOf)).size, configurationKeys.length);
  assert.equal(environmentVariableOf('listener.http.internal'), 'HALE_LISTENER_HTTP_INTERNAL');
});

test('defaults and extremes obey their own types', () => {
  let extremes = 0;
  for (const key of configurationKeys) {
    const { type, default: standard, extremes: edge = [] } = definitionOf(key);
    for (const value of [standard, ...edge]) {
      assert.deepEqual(type.parse(type.format(value)), { kind: 'ok', value }, key);
    }
    extremes += edge.length;
  }
  assert.ok(extremes > 20);
});

test('defaults obey every relation', () => {
  for (const relation of relations) assert.ok(relation.holds(defaultConfiguration()), relation.keys[0]);
});

test('no two keys share a flag', () => {
  const names = flagDefinitions().map(({ flag }) => flag.name);
  assert.equal(new Set(names).size, names.length);
  for (const name of ['--name', '--data', '--http', '--pb', '--cluster', '--log-level'])
    assert.ok(names.includes(name));
});

test('the numbers that clients and operators of Riak rely on', () => {
  const c = defaultConfiguration();
  assert.equal(c.ring_size, 256);
  assert.deepEqual(c['listener.http.internal'], { host: '127.0.0.1', port: 8098 });
  assert.deepEqual(c['listener.protobuf.internal'], { host: '127.0.0.1', port: 8087 });
  assert.equal(c['object.size.maximum'], 52_428_800);
  assert.equal(c['object.siblings.maximum'], 100);
  assert.equal(c.delete_mode, 3000);
  assert.equal(c.tombstone_pause, 2000);
  assert.equal(c['buckets.default.n_val'], 3);
  assert.equal(c.durability, 'synced');
});
