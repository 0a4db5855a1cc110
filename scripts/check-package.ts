/**
 * Checks the package as its users get it: `npm run check:package`. Packs what is in dist, installs the
 * tarball into an empty project, runs its command, imports each of its subpaths, compiles a program
 * against its types without skipping the checks of declarations, and asks publint and attw.
 */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processEnvironment } from './process-environment.ts';
import { repositoryRoot } from './source-files.ts';

/** Those that need nothing beside them and come to an end. They fail by their exit code. */
const examples = ['append-log', 'profiles', 'rate-limiter', 'replicated-map', 'simulate'];
/** What an installed package with all that it depends on may weigh. */
const installedMegabytesMax = 30;
/** Reported, not enforced: it depends on the registry's distance. */
const installSecondsMax = 10;

/** A node of the installed command: a value in and out, and JavaScript in a process of the sandbox. */
const nodeProgram = `
import { spawn, spawnSync } from 'node:child_process';
const hale = 'node_modules/.bin/hale';
const listeners = ['pb', 'http', 'cluster'].flatMap((name) => ['--' + name, '127.0.0.1:0']);
const node = spawn(hale, ['start', '--supervised', '--data', './node-data', ...listeners]);
let errors = '';
node.stderr.on('data', (text) => { errors += text; });
const ended = new Promise((resolve) => node.once('close', resolve));
const at = await new Promise((resolve, reject) => {
  let out = '';
  node.stdout.on('data', (text) => {
    out += text;
    if (/^ready$/m.test(out)) resolve(/http:\\/\\/127\\.0\\.0\\.1:\\d+/.exec(out)[0]);
  });
  void ended.then((code) => reject(new Error('the node ended with ' + code + ': ' + errors)));
});
const command = (...args) => {
  const { status, stdout, stderr } = spawnSync(hale, [...args, '--at', at], { encoding: 'utf8' });
  if (status !== 0) throw new Error(args.join(' ') + ': ' + stderr);
  return stdout.trim();
};
command('put', 'greetings', 'hello', 'hi');
const value = command('get', 'greetings', 'hello');
if (value !== 'hi') throw new Error('read ' + value);
const source = 'function (object) { return [object.values[0].data]; }';
const job = { inputs: 'greetings', query: [{ map: { language: 'javascript', source } }] };
const headers = { 'content-type': 'application/json' };
const answer = await fetch(at + '/mapred', { method: 'POST', headers, body: JSON.stringify(job) });
const mapped = await answer.text();
if (mapped !== '["hi"]') throw new Error('mapped ' + mapped);
node.stdin.end();
const code = await ended;
if (code !== 0) throw new Error('stopped with ' + code + ': ' + errors);
`;

interface Manifest {
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

const manifest = JSON.parse(readFileSync(path.join(repositoryRoot, 'package.json'), 'utf8')) as Manifest;
const repositoryBin = (name: string): string => path.join(repositoryRoot, 'node_modules', '.bin', name);

const workspace = mkdtempSync(path.join(tmpdir(), 'hale-package-'));
try {
  main(path.join(workspace, 'project'));
} finally {
  rmSync(workspace, { recursive: true, force: true });
}

function main(project: string): void {
  const tarball = pack();
  mkdirSync(project);
  writeFileSync(
    path.join(project, 'package.json'),
    '{ "name": "empty", "private": true, "type": "module" }\n',
  );
  install(project, tarball);

  const version = run(project, path.join(project, 'node_modules', '.bin', 'hale'), ['version']).trim();
  if (!version.includes(manifest.version))
    throw new Error(`hale version says '${version}', not ${manifest.version}`);
  console.log(`command: ${version}`);

  runNode(project);

  const subpaths = Object.keys(manifest.exports).filter((name) => !name.endsWith('.json'));
  const specifiers = subpaths.map((subpath) => path.posix.join('hale', subpath));
  importAll(project, specifiers);
  compileAll(project, specifiers);
  runExamples(project);

  run(repositoryRoot, repositoryBin('publint'), ['run', tarball, '--strict']);
  console.log('publint: clean');
  // The package is ES modules alone, so how CommonJS would resolve it is not asked.
  run(repositoryRoot, repositoryBin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']);
  console.log('attw: clean');
}

function pack(): string {
  const packed = run(repositoryRoot, 'npm', [
    'pack',
    '--json',
    '--ignore-scripts',
    '--pack-destination',
    workspace,
  ]);
  const [facts] = JSON.parse(packed) as readonly { readonly filename: string; readonly size: number }[];
  if (facts === undefined) throw new Error('npm pack made no tarball');
  console.log(`tarball: ${facts.filename}, ${(facts.size / 1e6).toFixed(2)} MB`);
  return path.join(workspace, facts.filename);
}

function install(project: string, tarball: string): void {
  const started = performance.now();
  run(project, 'npm', ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--omit=dev']);
  const seconds = (performance.now() - started) / 1000;
  const late = seconds > installSecondsMax ? ` (more than ${installSecondsMax})` : '';
  const megabytes = bytesUnder(path.join(project, 'node_modules')) / 1e6;
  console.log(`install: ${seconds.toFixed(1)} s${late}, ${megabytes.toFixed(1)} MB`);
  if (megabytes > installedMegabytesMax) throw new Error(`more than ${installedMegabytesMax} MB installed`);
}

function runNode(project: string): void {
  writeFileSync(path.join(project, 'run-node.js'), nodeProgram);
  run(project, process.execPath, ['run-node.js']);
  console.log('node: starts, stores, runs JavaScript, stops');
}

function importAll(project: string, specifiers: readonly string[]): void {
  const program = specifiers.map(
    (specifier) =>
      `if (Object.keys(await import('${specifier}')).length === 0) throw new Error('${specifier} exports nothing');`,
  );
  writeFileSync(path.join(project, 'import-all.js'), program.join('\n'));
  run(project, process.execPath, ['import-all.js']);
  console.log(`imports: ${specifiers.join(', ')}`);
}

function compileAll(project: string, specifiers: readonly string[]): void {
  const program = specifiers.map(
    (specifier, i) =>
      `import * as face${i} from '${specifier}';\nexport const names${i} = Object.keys(face${i});`,
  );
  writeFileSync(path.join(project, 'consumer.ts'), `${program.join('\n')}\n`);
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    lib: ['es2023', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
  };
  writeFileSync(
    path.join(project, 'tsconfig.json'),
    JSON.stringify({ compilerOptions, files: ['consumer.ts'] }),
  );
  const types = path.join(project, 'node_modules', '@types');
  mkdirSync(types, { recursive: true });
  for (const name of ['@types/node', 'undici-types']) {
    symlinkSync(path.join(repositoryRoot, 'node_modules', name), path.join(project, 'node_modules', name));
  }
  run(project, repositoryBin('tsc'), ['-p', project]);
  console.log('types: compile, declarations checked');
}

function runExamples(project: string): void {
  for (const name of examples) {
    const file = `${name}.js`;
    copyFileSync(path.join(import.meta.dirname, '..', 'examples', file), path.join(project, file));
    run(project, process.execPath, [file]);
  }
  console.log(`examples: ${examples.join(', ')}`);
}

/** Runs a program to its end and returns its standard output; throws with all it printed if it fails. */
function run(directory: string, program: string, args: readonly string[]): string {
  const result = spawnSync(program, args, {
    cwd: directory,
    env: processEnvironment(),
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    throw new Error(
      `${[path.basename(program), ...args].join(' ')} failed\n${result.stdout}${result.stderr}`,
    );
  }
  return result.stdout;
}

function bytesUnder(folder: string): number {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => path.join(entry.parentPath, entry.name))
    .reduce((sum, entry) => {
      const facts = lstatSync(entry);
      return sum + (facts.isDirectory() ? bytesUnder(entry) : facts.size);
    }, 0);
}
