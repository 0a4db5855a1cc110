import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAssignments } from './assignment.ts';
import { readConfigurationFile } from './configuration-file.ts';
import { readEnvironmentVariables } from './environment-variable.ts';
import { type Resolution, resolveConfiguration } from './resolve-configuration.ts';
import { type Configuration, defaultConfiguration } from './schema.ts';
import { problemText, type Reading } from './setting.ts';

function configurationOf(...readings: readonly Reading[]): Configuration {
  const resolution = resolveConfiguration(readings);
  if (resolution.kind === 'refused') assert.fail(resolution.problems.map(problemText).join('\n'));
  return resolution.configuration;
}

function problemsOf(...readings: readonly Reading[]): readonly string[] {
  const resolution: Resolution = resolveConfiguration(readings);
  return resolution.kind === 'refused' ? resolution.problems.map(problemText) : [];
}

const file = (text: string) => readConfigurationFile('hale.conf', text);
const environment = (...entries: [string, string][]) =>
  readEnvironmentVariables(entries, new Set(['HALE_CONFIG']));

test('no sources: the defaults', () => {
  assert.deepEqual(configurationOf(), defaultConfiguration());
});

test('precedence: default < file < environment < flags, and each value knows its origin', () => {
  const layers = [
    file('ring_size = 8\ndelete_mode = "keep"\ntombstone_pause = 5'),
    environment(
      ['HALE_RING_SIZE', '16'],
      ['HALE_DELETE_MODE', 'immediate'],
      ['PATH', '/bin'],
      ['HALE_CONFIG', 'x'],
    ),
    readAssignments(['ring_size=32']),
  ];
  const resolution = resolveConfiguration(layers);
  assert.equal(resolution.kind, 'resolved');
  if (resolution.kind !== 'resolved') return;
  const { configuration, origins } = resolution;
  assert.equal(configuration.ring_size, 32);
  assert.equal(configuration.delete_mode, 'immediate');
  assert.equal(configuration.tombstone_pause, 5000);
  assert.deepEqual(origins.get('ring_size'), { kind: 'flag', flag: '-o' });
  assert.deepEqual(origins.get('delete_mode'), { kind: 'environment', variable: 'HALE_DELETE_MODE' });
  assert.deepEqual(origins.get('tombstone_pause'), { kind: 'file', path: 'hale.conf', line: 3 });
  assert.deepEqual(origins.get('nodename'), { kind: 'default' });
});

test('file: tables, dotted keys, inline tables and JSON say the same', () => {
  const expected = {
    ...defaultConfiguration(),
    'object.size.maximum': 2 ** 20,
    'object.size.warning_threshold': 1024,
  };
  for (const text of [
    'object.size.maximum = "1MB"\nobject.size.warning_threshold = 1024',
    '[object.size]\nmaximum = 1048576\nwarning_threshold = "1KB"',
    'object = { size = { maximum = "1MB", warning_threshold = 1024 } }',
    '{ "object.size.maximum": "1MB", "object": { "size": { "warning_threshold": 1024 } } }',
    '\uFEFF{"object": {"size": {"maximum": 1048576, "warning_threshold": "1K"}}}',
  ]) {
    assert.deepEqual(configurationOf(file(text)), expected, text);
  }
});

test('all problems at once, each with its line, value and rule', () => {
  const problems = problemsOf(
    file(
      'ring_size = 100\n\n[listener.http]\ninternal = "nowhere"\n\n[lister]\nx = 1\n[object.siblings]\nmaximum = [1]\n',
    ),
    environment(['HALE_RING_SIZ', '8'], ['HALE_DURABILITY', 'never']),
    readAssignments(['nodename', 'object.size.maximum=1PB']),
  );
  assert.deepEqual(problems, [
    'hale.conf:9: object.siblings.maximum must be a string, a number or true or false',
    'HALE_RING_SIZ: is no variable of Hale; did you mean HALE_RING_SIZE?',
    '-o: "nodename" must be key=value',
    'hale.conf:1: ring_size = "100": must be a power of two from 8 to 1024',
    'hale.conf:4: listener.http.internal = "nowhere": must be "off", or an address "host:port" (IPv6 as "[::1]:8098"; port 0 takes a free one)',
    'hale.conf:7: lister.x is not a key; `hale config describe` lists them',
    'HALE_DURABILITY: durability = "never": must be one of "synced", "os"',
    '-o: object.size.maximum = "1PB": must be a size such as "64MB" (B, KB, MB, GB, TB) from 1KB to 512MB',
  ]);
});

test('a mistyped key is told the nearest', () => {
  assert.deepEqual(problemsOf(readAssignments(['ringsize=64'])), [
    '-o: ringsize is not a key; did you mean ring_size?',
  ]);
  assert.deepEqual(problemsOf(file('listener.http = "127.0.0.1:1"')), [
    'hale.conf:1: listener.http is not a key; `hale config describe` lists them',
  ]);
});

test("a file in Riak's own format is told what to quote, on every such line", () => {
  const riak = [
    '## Riak',
    'nodename = hale@10.0.0.1',
    'listener.http.internal = 127.0.0.1:8098 ## here',
    'ring_size = 64',
    'object.size.maximum = 50MB',
    'storage_backend = leveldb',
    'ring_siz = 3',
  ].join('\n');
  assert.deepEqual(problemsOf(file(riak)), [
    'hale.conf:2: the value must be quoted: nodename = "hale@10.0.0.1"',
    'hale.conf:3: the value must be quoted: listener.http.internal = "127.0.0.1:8098"',
    'hale.conf:5: the value must be quoted: object.size.maximum = "50MB"',
    'hale.conf:6: the value must be quoted: storage_backend = "leveldb"',
    'hale.conf:7: ring_siz is not a key; did you mean ring_size?',
  ]);
});

test('a file that is neither TOML nor JSON is refused with its line', () => {
  assert.match(problemsOf(file('ring_size = 64\n[[[\n'))[0] ?? '', /^hale\.conf:2: is not valid TOML: /);
  assert.match(problemsOf(file('{\n "ring_size": 64,\n}'))[0] ?? '', /^hale\.conf:3: is not valid JSON: /);
  assert.match(
    problemsOf(file('ring_size = 8\nring_size = 16'))[0] ?? '',
    /^hale\.conf:2: is not valid TOML: .*redefine/,
  );
  assert.deepEqual(
    problemsOf(
      file('{"ring_size": 8,\n"object.siblings.maximum": 3, "object": {"siblings": {"maximum": 4}}}'),
    ),
    [
      'hale.conf:2: object.siblings.maximum is set twice',
      'hale.conf:2: object.siblings.maximum = "4": with it, object.siblings.warning_threshold must not exceed object.siblings.maximum',
    ],
  );
});

test('names that objects already have are only unknown keys', () => {
  assert.deepEqual(problemsOf(file('{"__proto__": {"x": 1}, "constructor": 2}')), [
    'hale.conf:1: __proto__.x is not a key; `hale config describe` lists them',
    'hale.conf:1: constructor is not a key; `hale config describe` lists them',
  ]);
  assert.equal(problemsOf(readAssignments(['toString=1'])).length, 1);
});

test('relations: the setting that a person made is blamed', () => {
  assert.deepEqual(problemsOf(file('buckets.default.n_val = 2\nbuckets.default.r = 3')), [
    'hale.conf:2: buckets.default.r = "3": must not exceed buckets.default.n_val',
  ]);
  assert.deepEqual(problemsOf(readAssignments(['object.size.maximum=2MB'])), [
    '-o: object.size.maximum = "2MB": with it, object.size.warning_threshold must not exceed object.size.maximum',
  ]);
  assert.deepEqual(problemsOf(file('cluster.message.maximum = "100MB"')), [
    'hale.conf:1: cluster.message.maximum = "100MB": must exceed twice object.size.maximum by 64KB',
  ]);
});

test('backends: as a list, or by names as Riak has them; the default is one of them and keeps what it is given', () => {
  const riaks = [
    'storage_backend = "multi"',
    '[multi_backend]',
    'default = "main"',
    'main.storage_backend = "leveldb"',
    'fast.storage_backend = "memory"',
  ].join('\n');
  const parsed = [...configurationOf(file(riaks))['multi_backend.backends']];
  assert.deepEqual(parsed, [
    ['main', 'leveldb'],
    ['fast', 'memory'],
  ]);
  const list = readAssignments([
    'storage_backend=multi',
    'multi_backend.backends=main = leveldb, fast=memory',
  ]);
  assert.deepEqual([...configurationOf(list)['multi_backend.backends']], parsed);
  assert.deepEqual(problemsOf(readAssignments(['multi_backend.fast.storage_backend=bitcask'])), [
    '-o: multi_backend.fast.storage_backend = "bitcask": must be one of "leveldb", "log", "memory"',
  ]);
  assert.equal(problemsOf(readAssignments(['multi_backend.Fast.storage_backend=log'])).length, 1);
  assert.equal(problemsOf(readAssignments(['multi_backend.backends=a=log,a=memory'])).length, 1);
  for (const wrong of ['fast=memory', 'main=memory', '']) {
    const said = problemsOf(readAssignments(['storage_backend=multi', `multi_backend.backends=${wrong}`]));
    assert.match(said[0] ?? '', /must be one of multi_backend.backends, and not in memory/, wrong);
  }
});

test('a number that TOML writes another way is still the number', () => {
  assert.equal(configurationOf(file('ring_size = 0x40')).ring_size, 64);
  assert.equal(configurationOf(file('object.size.maximum = 10_485_760'))['object.size.maximum'], 10_485_760);
});

test('lines: keys after a multi-line string keep their own', () => {
  assert.deepEqual(
    problemsOf(file('platform_data_dir = """\nring_size = 1\n"""\n\nring_size = 9')).at(-1),
    'hale.conf:5: ring_size = "9": must be a power of two from 8 to 1024',
  );
});
