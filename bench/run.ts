/**
 * `npm run bench -- NAME [--quick] [--node PATH]`: measures and prints a table; `--write` puts it into
 * RESULTS.md in place of the one of that name.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureBackends } from './backends.ts';
import { measureClaim } from './claim.ts';
import { measureCostByKeys, measureCostByRing } from './cost-growth.ts';
import { measureDatatypes } from './datatypes.ts';
import { measureEngines } from './engine.ts';
import { measureFeed } from './feed.ts';
import { measureHandoff } from './handoff.ts';
import { measureHop } from './hop.ts';
import { measureHotKey } from './hot-key.ts';
import { measureIdleConnections } from './idle-connections.ts';
import { measureIngest } from './ingest.ts';
import { measureLargeValues } from './large-values.ts';
import { measureMemory } from './memory.ts';
import { measureOverload } from './overload.ts';
import {
  type BenchDuration,
  benchHeading,
  clusterSubject,
  haleSubject,
  measurePointOperations,
  pointOperationsTable,
} from './point-operations.ts';
import { measureIndexQueries, measureListing, measureMapReduce } from './queries.ts';
import { measureScaleOut } from './scale-out.ts';
import { measureStart } from './start.ts';
import { measureStore } from './store.ts';
import { type MeasuredTails, measureTails } from './tails.ts';
import { measureVoxer } from './voxer.ts';
import { measureWal } from './wal.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
    /** Of what takes its time: `tails`, `ingest`, `memory`. */
    minutes: { type: 'string' },
    /**
     * Of `point-operations` and `cluster-operations`: engines of the nodes, such as 'leveldb,log'; their default if absent.
     * Of `overload`, `scale-out`, `tails` and `ingest`: one engine.
     */
    backend: { type: 'string' },
    /** Of the same: settings of the nodes, such as 'overload.turn_delay=10s' on a machine that others crowd. */
    set: { type: 'string', multiple: true, default: [] },
    /** Of the same, and of `store`: a pattern that the names of rows must match, such as 'pb put 1024'. */
    only: { type: 'string' },
  },
});

const only = values.only === undefined ? undefined : new RegExp(values.only);
const full: BenchDuration = { warmupMs: 300, measuredMs: 1500, repetitions: 3, only };
const quick: BenchDuration = { warmupMs: 300, measuredMs: 1000, repetitions: 1, only };
/** Of several, each is measured right after the other: the machine's speed changes. */
const engines: readonly { readonly label: string; readonly settings: readonly string[] }[] =
  values.backend === undefined
    ? [{ label: '', settings: values.set }]
    : values.backend
        .split(',')
        .map((engine) => ({ label: ` ${engine}`, settings: [`storage_backend=${engine}`, ...values.set] }));
/** Of what measures one engine: the first of them. */
const nodeOptions = { node: values.node, settings: engines[0]?.settings ?? [] };

/** How long something is looked at that should not change. */
const watchedMs =
  values.minutes === undefined ? (values.quick ? 10_000 : 60_000) : Number(values.minutes) * 60_000;

/** One question each. */
const questions = new Map<string, () => Promise<string>>([
  ['point-operations', pointOperations],
  ['cluster-operations', clusterOperations],
  ['connections', () => measureIdleConnections(values.node)],
  [
    'engine',
    () =>
      measureEngines(values.quick ? 100_000 : 1_000_000, values.quick ? 1000 : full.measuredMs, values.node),
  ],
  [
    'store',
    () =>
      measureStore(
        values.quick ? { keys: 50_000, requests: 50_000, only } : { keys: 100_000, requests: 200_000, only },
        values.node,
        (line) => console.log(line),
      ),
  ],
  ['start', () => measureStart(values.node)],
  ['claim', async () => measureClaim()],
  ['hop', () => measureHop(values.quick ? quick.measuredMs : full.measuredMs, values.node)],
  ['overload', () => measureOverload(values.quick ? quick.measuredMs * 2 : 5000, nodeOptions)],
  ['hot-key', () => measureHotKey(values.quick ? quick.measuredMs : full.measuredMs * 2, values.node)],
  ['cost-by-ring', () => measureCostByRing(values.quick ? quick.measuredMs : full.measuredMs, values.node)],
  [
    'cost-by-keys',
    () =>
      measureCostByKeys(values.quick ? [10_000, 100_000] : [10_000, 1_000_000], full.measuredMs, values.node),
  ],
  ['scale-out', () => measureScaleOut(values.quick ? quick.measuredMs : full.measuredMs * 2, nodeOptions)],
  ['memory', () => measureMemory(values.quick ? 100_000 : 1_000_000, watchedMs, values.node)],
  ['tails', async () => withPicture('tails', await measureTails(watchedMs, nodeOptions))],
  ['ingest', async () => withPicture('ingest', await measureIngest(watchedMs, nodeOptions))],
  ['handoff', () => measureHandoff(values.quick ? 50_000 : 300_000, values.node)],
  ['datatypes', () => measureDatatypes(values.quick ? quick.measuredMs : full.measuredMs * 2, values.node)],
  ['feed', () => measureFeed(values.quick ? quick.measuredMs : full.measuredMs * 2, values.node)],
  [
    'index',
    () => measureIndexQueries(values.quick ? 20_000 : 200_000, values.quick ? 500 : 3000, values.node),
  ],
  ['listing', () => measureListing(values.quick ? 50_000 : 1_000_000, values.node)],
  ['mapreduce', () => measureMapReduce(values.quick ? 5000 : 100_000, values.node)],
  ['large-values', () => measureLargeValues((values.quick ? 64 : 256) * 2 ** 20, values.node)],
  ['backends', () => measureBackends(values.quick ? quick.measuredMs : full.measuredMs * 2, values.node)],
  ['voxer', () => measureVoxer(values.quick ? 5000 : 15_000, values.node)],
  ['wal', () => measureWal(values.quick ? quick.measuredMs : full.measuredMs)],
]);

/** The picture is written beside the results, if these are. */
function withPicture(name: string, { table, svg }: MeasuredTails): string {
  if (!values.write) return table;
  writeFileSync(`bench/${name}.svg`, svg);
  return `${table}\n\n![${name}](${name}.svg)`;
}

async function pointOperations(): Promise<string> {
  const { node } = values;
  const subjects = [1, 3].flatMap((nVal) =>
    ['synced', 'os'].flatMap((durability) =>
      engines.map(({ label, settings }) =>
        haleSubject(`hale n=${nVal} ${durability}${label}`, {
          node,
          settings: [`buckets.default.n_val=${nVal}`, `durability=${durability}`, ...settings],
        }),
      ),
    ),
  );
  const rows = await measurePointOperations(subjects, values.quick ? quick : full, (line) =>
    console.log(line),
  );
  return pointOperationsTable(rows);
}

/** Three nodes that keep three copies, connections spread over them. */
async function clusterOperations(): Promise<string> {
  const subjects = ['synced', 'os'].flatMap((durability) =>
    engines.map(({ label, settings }) =>
      clusterSubject(`three nodes, n=3 ${durability}${label}`, 3, {
        node: values.node,
        settings: [`durability=${durability}`, ...settings],
      }),
    ),
  );
  const rows = await measurePointOperations(subjects, values.quick ? quick : full, (line) =>
    console.log(line),
  );
  return pointOperationsTable(rows);
}

const names = positionals.length > 0 ? positionals : [...questions.keys()];
const nodeVersion = execFileSync(values.node, ['--version'], { encoding: 'utf8' }).trim();
for (const name of names) {
  const question = questions.get(name);
  if (question === undefined) {
    console.error(`no benchmark is called ${name}; there are: ${[...questions.keys()].join(', ')}`);
    process.exitCode = 2;
    continue;
  }
  const heading = `## ${name}\n\n${benchHeading(nodeVersion)}, ${new Date().toISOString().slice(0, 10)}`;
  console.log(`measuring ${name}`);
  const section = `${heading}\n\n${await question()}\n`;
  console.log(`\n${section}`);
  console.log(`again: npm run bench -- ${name}${values.quick ? ' --quick' : ''}`);
  if (values.write) addToResults(name, section);
}

function addToResults(name: string, section: string): void {
  const path = 'bench/RESULTS.md';
  const sections = readFileSync(path, 'utf8').split(/^(?=## )/m);
  const at = sections.findIndex((before) => before.startsWith(`## ${name}\n`));
  if (at < 0) sections.push(section);
  else sections[at] = section;
  writeFileSync(path, sections.map((each) => `${each.trimEnd()}\n`).join('\n'));
}
