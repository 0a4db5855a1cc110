/**
 * `npm run bench -- NAME [--quick] [--node PATH]`: measures and prints a table; `--write` puts it into
 * RESULTS.md in place of the one of that name.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureClaim } from './claim.ts';
import { measureHop } from './hop.ts';
import { measureIdleConnections } from './idle-connections.ts';
import { measureOverload } from './overload.ts';
import {
  type BenchDuration,
  benchHeading,
  clusterSubject,
  haleSubject,
  measurePointOperations,
  pointOperationsTable,
} from './point-operations.ts';
import { measureStart } from './start.ts';
import { measureWal } from './wal.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    node: { type: 'string', default: process.execPath },
  },
});

const full: BenchDuration = { warmupMs: 300, measuredMs: 1500, repetitions: 3 };
const quick: BenchDuration = { warmupMs: 300, measuredMs: 1000, repetitions: 1 };

/** One question each. */
const questions = new Map<string, () => Promise<string>>([
  ['point-operations', pointOperations],
  ['cluster-operations', clusterOperations],
  ['connections', () => measureIdleConnections(values.node)],
  ['start', () => measureStart(values.node)],
  ['claim', async () => measureClaim()],
  ['hop', () => measureHop(values.quick ? quick.measuredMs : full.measuredMs, values.node)],
  ['overload', () => measureOverload(values.quick ? quick.measuredMs * 2 : 5000, values.node)],
  ['wal', () => measureWal(values.quick ? quick.measuredMs : full.measuredMs)],
]);

async function pointOperations(): Promise<string> {
  const { node } = values;
  const subject = (nVal: number, durability: string) =>
    haleSubject(`hale n=${nVal} ${durability}`, {
      node,
      settings: [`buckets.default.n_val=${nVal}`, `durability=${durability}`],
    });
  const subjects = [subject(1, 'synced'), subject(1, 'os'), subject(3, 'synced'), subject(3, 'os')];
  const rows = await measurePointOperations(subjects, values.quick ? quick : full, (line) =>
    console.log(line),
  );
  return pointOperationsTable(rows);
}

/** Three nodes that keep three copies, connections spread over them. */
async function clusterOperations(): Promise<string> {
  const subjects = ['synced', 'os'].map((durability) =>
    clusterSubject(`three nodes, n=3 ${durability}`, 3, {
      node: values.node,
      settings: [`durability=${durability}`],
    }),
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
