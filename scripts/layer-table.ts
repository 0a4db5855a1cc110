/**
 * The walls of the house, as data: who may import whom, which code is pure, who may touch the machine.
 * `layer-rules.ts` judges a file by this table; ARCHITECTURE.md explains it.
 *
 * Three sentences must stay true. Core does not know that keys or values exist. Kv does not know that
 * HTTP exists. Only runtime, cli and the simulator's own clockwork know that the machine exists.
 */

export interface ModuleRow {
  /** Modules whose public face this one may import, values and types alike. */
  readonly imports: readonly string[];
  /** Modules of which it may import types alone: `import type`. */
  readonly types?: readonly string[];
  /** Packages from the registry. Every other one is refused. */
  readonly packages?: readonly string[];
}

const belowCore = ['stdx', 'environment', 'clocks', 'wire', 'merkle', 'consensus', 'wal'];
const belowServer = [...belowCore, 'config', 'crdt', 'storage', 'sandbox', 'core', 'kv'];

/** One row a folder of `src/`. A folder that has no row may not exist. */
export const modules: ReadonlyMap<string, ModuleRow> = new Map<string, ModuleRow>([
  ['stdx', { imports: [] }],
  ['environment', { imports: ['stdx'] }],
  ['config', { imports: ['stdx'], packages: ['smol-toml'] }],
  ['clocks', { imports: ['stdx'] }],
  ['wire', { imports: ['stdx'] }],
  ['crdt', { imports: ['stdx', 'clocks'] }],
  ['merkle', { imports: ['stdx'], types: ['environment'] }],
  ['consensus', { imports: ['stdx'], types: ['environment'] }],
  ['wal', { imports: ['stdx', 'environment'] }],
  ['storage', { imports: ['stdx', 'environment'], packages: ['classic-level'] }],
  ['core', { imports: belowCore, types: ['config'] }],
  [
    'sandbox',
    { imports: ['stdx'], packages: ['quickjs-emscripten-core', '@jitl/quickjs-wasmfile-release-sync'] },
  ],
  [
    'kv',
    {
      imports: [...belowCore, 'storage', 'crdt', 'core', 'sandbox'],
      types: ['config'],
      packages: ['re2js'],
    },
  ],
  ['api', { imports: ['stdx', 'wire', 'kv', 'core'], types: ['environment'] }],
  // The client, for the port through which it reaches a node of its own process.
  ['server', { imports: [...belowServer, 'api', 'client'], packages: ['prom-client'] }],
  ['runtime', { imports: ['stdx', 'environment', 'storage', 'sandbox'], packages: ['pino', 'isolated-vm'] }],
  // The remote client is handed a Network and Timers, so it knows their types and nothing that runs.
  [
    'client',
    {
      imports: ['stdx', 'wire', 'clocks', 'crdt'],
      types: ['environment'],
      packages: ['@standard-schema/spec'],
    },
  ],
  ['cli', { imports: ['config', 'server', 'runtime', 'client'], packages: ['commander'] }],
  ['simulator', { imports: [...belowServer, 'api', 'server', 'client'] }],
]);

/** Files right under `src/` are the package's entry points: they compose the embedded node. */
export const entryPoint: ModuleRow = {
  imports: ['client', 'server', 'runtime', 'config', 'core', 'wal'],
  types: ['environment'],
  packages: ['@standard-schema/spec'],
};

/** Modules whose folders have public faces of their own: `core/ring/index.ts`. */
export const modulesWithSubfaces: ReadonlySet<string> = new Set(['core', 'kv', 'api', 'server', 'storage']);

/** What tests of any module may import besides what its module can reach. */
export const testModules: readonly string[] = ['simulator', 'runtime'];

/**
 * Pure code: no async, no Promise, and of environment only types. Protocols do not wait.
 * A folder, or one file.
 */
export const purePaths: readonly string[] = [
  'src/clocks/',
  'src/crdt/',
  'src/merkle/',
  'src/consensus/',
  'src/wire/',
  'src/core/background/background-rate.ts',
  'src/core/background/usual-time.ts',
  'src/core/ring/',
  'src/core/topology/',
  'src/core/liveness/',
  'src/kv/datatype/',
  'src/kv/object/',
  'src/kv/coordinator/read-quorum.ts',
  'src/kv/coordinator/write-quorum.ts',
  'src/kv/sibling-cap/',
];

/** Code that may touch the machine. */
export const machinePaths: readonly string[] = ['src/runtime/', 'src/cli/'];

/** The simulator's clockwork: what drives virtual time needs one real thing, a turn of the event loop. */
export const machineGlobalsOf: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['src/simulator/world.ts', new Set(['setImmediate'])],
]);

/** Pure parts of the standard library: allowed everywhere. `*` allows the whole module. */
export const pureBuiltins: ReadonlyMap<string, '*' | ReadonlySet<string>> = new Map<
  string,
  '*' | ReadonlySet<string>
>([
  ['node:buffer', '*'],
  ['node:zlib', new Set(['crc32'])],
  ['node:crypto', new Set(['hash', 'createHash', 'createHmac', 'timingSafeEqual'])],
  ['node:util/types', '*'],
]);

/** What tests and conformance suites need of the standard library, besides. */
export const testBuiltins: ReadonlySet<string> = new Set(['node:test', 'node:assert/strict', 'node:assert']);

/**
 * What is loaded only when it is needed takes real time, in which a simulation would go on or end: whatever the simulator
 * can reach imports at the top. Here is what it does not run, by file.
 */
export const dynamicImports: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  // Of a process for JavaScript of strangers.
  [
    'src/sandbox/quickjs-engine.ts',
    new Set(['quickjs-emscripten-core', '@jitl/quickjs-wasmfile-release-sync']),
  ],
  // Behind the page of metrics, which no scenario asks for.
  ['src/server/prometheus-text.ts', new Set(['prom-client/lib/registry.js'])],
  // A simulated node is given its engine.
  ['src/server/open-engine.ts', new Set(['../storage/log/index.ts'])],
]);

export interface MachineGlobal {
  /** A global (`process`), or a member of one (`Date.now`). */
  readonly name: string;
  readonly instead: string;
}

/** Globals that bring in the machine: its time, its chance, its network, its console. */
export const machineGlobals: readonly MachineGlobal[] = [
  { name: 'Date.now', instead: 'environment.clock' },
  { name: 'new Date()', instead: 'environment.clock' },
  { name: 'Date()', instead: 'environment.clock' },
  { name: 'performance', instead: 'environment.clock' },
  { name: 'Math.random', instead: 'environment.random' },
  { name: 'crypto', instead: 'environment.random, or a named import of a pure part of node:crypto' },
  { name: 'setTimeout', instead: 'environment.timers' },
  { name: 'setInterval', instead: 'environment.timers' },
  { name: 'setImmediate', instead: 'environment.tasks' },
  { name: 'AbortSignal.timeout', instead: 'environment.timers' },
  { name: 'process', instead: 'a parameter' },
  { name: 'console', instead: 'environment.log' },
  { name: 'fetch', instead: 'environment.network' },
  { name: 'WebSocket', instead: 'environment.network' },
  { name: 'globalThis', instead: 'the global by its name, so that this check sees it' },
  { name: 'require', instead: 'import' },
  { name: 'WeakRef', instead: 'an owner that closes what it opened: collection has no order to replay' },
  { name: 'FinalizationRegistry', instead: 'Symbol.asyncDispose: collection has no order to replay' },
];

/** Files whose default export is another program's contract. */
export const defaultExportPaths: readonly string[] = [
  'scripts/test-event-reporter.ts',
  'src/runtime/sandbox/isolated-vm.d.ts',
];

/** Names of files that name no concept. */
export const emptyNames: ReadonlySet<string> = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'common',
  'misc',
  'types',
  'manager',
]);

/** Subpaths of the package that applications import; an example imports exactly one of them. */
export const publicSubpaths: ReadonlySet<string> = new Set([
  'hale',
  'hale/client',
  'hale/core',
  'hale/consensus',
  'hale/wal',
  'hale/simulator',
]);
