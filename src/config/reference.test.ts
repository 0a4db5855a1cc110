import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAssignments } from './assignment.ts';
import { readConfigurationFile } from './configuration-file.ts';
import { describeKey, describeSchema, effectiveFile, formatValue, generateFile } from './reference.ts';
import { resolveConfiguration } from './resolve-configuration.ts';
import { type Configuration, configurationKeys, defaultConfiguration } from './schema.ts';
import { variedConfiguration } from './varied-configuration.ts';

const configuration: fc.Arbitrary<Configuration> = fc
  .array(fc.nat(), { minLength: configurationKeys.length })
  .map((choices) => {
    let used = 0;
    return variedConfiguration((count) => choices[used++]! % count);
  })
  .map((varied) => ({ ...varied, platform_data_dir: '/a b/"c"\\d#é' }));

function reread(text: string): unknown {
  const resolution = resolveConfiguration([readConfigurationFile('f', text)]);
  return resolution.kind === 'resolved' ? resolution.configuration : resolution.problems;
}

test('law: a generated file, and an effective one, read back as the configuration they show', () => {
  fc.assert(
    fc.property(configuration, (c) => {
      assert.deepEqual(reread(generateFile(c)), c);
      assert.deepEqual(reread(effectiveFile(c, new Map())), c);
    }),
  );
});

test('law: formatted values read back through -o', () => {
  fc.assert(
    fc.property(configuration, (c) => {
      const assignments = configurationKeys.map((key) => `${key}=${formatValue(key, c)}`);
      const resolution = resolveConfiguration([readAssignments(assignments)]);
      assert.deepEqual(resolution.kind === 'resolved' && resolution.configuration, c);
    }),
  );
});

test('a generated file sets only what differs, and its comments hold every default', () => {
  const text = generateFile({ ...defaultConfiguration(), ring_size: 64 });
  const set = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  assert.deepEqual(set, ['ring_size = 64']);
  const uncommented = text.replaceAll(/^# /gm, '');
  assert.deepEqual(reread(uncommented), { ...defaultConfiguration(), ring_size: 64 });
  for (const key of configurationKeys) assert.ok(uncommented.includes(`\n${key} = `), key);
});

test('an effective file says where a value comes from', () => {
  const text = effectiveFile(defaultConfiguration(), new Map([['ring_size', { kind: 'flag', flag: '-o' }]]));
  assert.match(text, /^ring_size = 256 {2}# -o$/m);
  assert.match(text, /^durability = "synced"$/m);
});

test('the reference names every key with its rule, default and variable', () => {
  const text = describeSchema();
  for (const key of configurationKeys) assert.ok(text.includes(describeKey(key)), key);
  assert.equal(
    describeKey('ring_size'),
    [
      'ring_size',
      '    Partitions of the ring, fixed for the life of a cluster. Partitions are cheap: leave it unless',
      '    the cluster will pass 25 nodes.',
      '    Must be a power of two from 8 to 1024.',
      '    Default:     256',
      '    Environment: HALE_RING_SIZE',
      '',
    ].join('\n'),
  );
});
