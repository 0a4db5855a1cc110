/** What a node has loaded before it serves: each module costs it a millisecond and 50 KiB, a package more. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseSync } from 'oxc-parser';

/** Whoever adds one has measured what it costs: `npm run bench -- start memory`. */
const packages = ['classic-level', 'commander', 'pino', 're2js', 'smol-toml'];

/** What runs in another process, for another program, or for who has configured it. */
const elsewhere = [
  'src/client/',
  'src/runtime/sandbox/sandbox-process.ts',
  'src/server/embedded/',
  'src/simulator/',
  'src/storage/log/',
];

/** An `import` of it reads all its properties, one of which loads Node's `fetch`. */
const neverImported = ['node:http', 'node:https', 'node:http2'];

/** What some nodes use. */
const importedWhenUsed = ['node:cluster', 'node:tls', 'node:worker_threads'];

interface Graph {
  readonly files: ReadonlySet<string>;
  readonly specifiers: ReadonlySet<string>;
}

const bundle = path.join(import.meta.dirname, '..', 'bundle');
/** The command, the shared parts of several commands, and the parts of a node. */
const bundledFilesMax = 24;
/**
 * V8 compiles the outermost code of a file at once, in memory that malloc then keeps: 10 MiB with a node in one file, 4 with it in parts.
 * They are layers of the house, which `bundle` in package.json names to the bundler.
 */
const bundledBytesMax = 400_000;

/** Files of the bundle, and the packages and modules of Node that they import. */
function loadedBy(roots: readonly string[]): Graph {
  const files = new Set<string>();
  const specifiers = new Set<string>();
  const waiting = [...roots];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    const { module } = parseSync(file, readFileSync(path.join(bundle, file), 'utf8'));
    const exported = module.staticExports.flatMap(({ entries }) => entries.map((each) => each.moduleRequest));
    for (const request of [...module.staticImports.map((each) => each.moduleRequest), ...exported]) {
      if (request === null) continue;
      if (request.value.startsWith('./')) waiting.push(path.basename(request.value));
      else specifiers.add(request.value);
    }
  }
  return { files, specifiers };
}

/** The modules that were put into a file of the bundle, as its source map tells them. */
function bundledInto(file: string): readonly string[] {
  const map = JSON.parse(readFileSync(path.join(bundle, `${file}.map`), 'utf8')) as {
    readonly sources: readonly string[];
  };
  return map.sources.map((source) => source.replace(/^(?:\.\.\/)+/, ''));
}

function startedBundle(): Graph {
  const started = readdirSync(bundle).filter((name) => /^(?:start-)?command-\w+\.js$/.test(name));
  assert.equal(started.length, 2);
  return loadedBy(['main.js', ...started]);
}

const start = startedBundle();

test('a start loads few files, with our modules alone and nothing that runs elsewhere', () => {
  assert.ok(start.files.size <= bundledFilesMax, `${start.files.size} files`);
  const modules = [...start.files].flatMap(bundledInto);
  assert.ok(modules.includes('src/server/start-node.ts'));
  for (const prefix of elsewhere) {
    assert.deepEqual(
      modules.filter((module) => module.startsWith(prefix)),
      [],
    );
  }
  for (const module of modules) assert.match(module, /^src\//);
});

test('no file that a start loads is so long that compiling it is what fills the memory', () => {
  const lengths = [...start.files].map((file) => [file, statSync(path.join(bundle, file)).size] as const);
  assert.deepEqual(
    lengths.filter(([, bytes]) => bytes > bundledBytesMax),
    [],
  );
});

test('a start loads the packages that every node needs, and no other', () => {
  const loaded = [...start.specifiers].filter((specifier) => !specifier.startsWith('node:'));
  assert.deepEqual(loaded.sort(), packages);
});

test('a start does not load what Node has for clients of the web, for TLS and for several nodes of a host', () => {
  for (const name of [...neverImported, ...importedWhenUsed])
    assert.equal(start.specifiers.has(name), false, name);
});

test('no module is in two files of the bundle', () => {
  const seen = new Map<string, string>();
  for (const file of readdirSync(bundle).filter((name) => name.endsWith('.js'))) {
    for (const module of bundledInto(file)) {
      assert.equal(seen.get(module), undefined, `${module} is in ${seen.get(module)} and in ${file}`);
      seen.set(module, file);
    }
  }
});
