/**
 * `npm run bench`: all that has a target, within a quarter of an hour, into RESULTS.md with a picture each; `--features`: what else
 * there is. `npm run bench -- NAME… [--long | --quick] [--write]`: some of them, printed. `--list` tells their names and how
 * long each takes.
 */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { barChartOf } from './bar-chart.ts';
import type { BenchRun, BenchScale } from './bench-run.ts';
import { benchHeading } from './heading.ts';
import { type Question, questions } from './questions.ts';
import { type Measured, writeResult } from './results.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** The names of the questions, and how long each takes. */
    list: { type: 'boolean', default: false },
    /** Instead of what has a target: questions of single features and parts. */
    features: { type: 'boolean', default: false },
    /** The sizes and times that the targets speak of: half an hour of tails, ten minutes of ingest, an hour of memory. */
    long: { type: 'boolean', default: false },
    /** Sizes at which numbers say nothing: whether it runs. */
    quick: { type: 'boolean', default: false },
    /** Into RESULTS.md; the whole table goes there without being told. */
    write: { type: 'boolean', default: false },
    /** The Node that servers run on. */
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

const scale: BenchScale = values.long ? 'long' : values.quick ? 'quick' : 'usual';

const run: BenchRun = {
  scale,
  node: values.node,
  minutes: values.minutes === undefined ? undefined : Number(values.minutes),
  only: values.only === undefined ? undefined : new RegExp(values.only),
  engines:
    values.backend === undefined
      ? [{ label: '', settings: values.set }]
      : values.backend
          .split(',')
          .map((engine) => ({ label: ` ${engine}`, settings: [`storage_backend=${engine}`, ...values.set] })),
  report: (line) => console.log(line),
};

function list(): void {
  for (const isOfFeature of [false, true]) {
    const some = questions.filter((question) => (question.isOfFeature ?? false) === isOfFeature);
    console.log(isOfFeature ? '\nwith --features, or by name:' : 'without a name:');
    for (const { name, asks, seconds } of some) {
      console.log(`  ${name.padEnd(20)}${lengthOf(seconds.usual)}${lengthOf(seconds.long)} long  ${asks}`);
    }
    const sum = (of: (question: Question) => number) => some.reduce((total, each) => total + of(each), 0);
    const [usual, long] = [sum(({ seconds }) => seconds.usual), sum(({ seconds }) => seconds.long)];
    console.log(`  ${'together'.padEnd(20)}${lengthOf(usual)}${lengthOf(long)} long`);
  }
}

function lengthOf(seconds: number): string {
  return (seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`).padStart(9);
}

async function measure(question: Question): Promise<void> {
  const { name, bars } = question;
  const heading = benchHeading(values.node, scale);
  console.log(`measuring ${name}`);
  const startedAt = performance.now();
  const answer = await question.measure(run);
  const measured: Measured = typeof answer === 'string' ? { table: answer } : answer;
  const svg = measured.svg ?? (bars === undefined ? undefined : barChartOf(name, measured.table, bars));
  if (bars !== undefined && svg === undefined)
    throw new Error(`the table has no column to draw: ${bars.value}`);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`\n## ${name}\n\n${heading}\n\n${measured.table}\n`);
  console.log(`took ${seconds} s; again: npm run bench -- ${[name, ...flagsOf()].join(' ')}`);
  if (values.write) writeResult(name, heading, { table: measured.table, svg });
}

/** What was said besides names, `--write` left out. */
function flagsOf(): readonly string[] {
  return process.argv
    .slice(2)
    .filter((word) => !positionals.includes(word) && word !== '--write' && word !== '--features');
}

/** Of what a question may take, and a machine that others crowd. */
const patienceTimes = 6;
const patienceMsMin = 5 * 60_000;

/**
 * Each in a process of its own: one that fails or does not end costs its own row, and what it has started ends with it.
 * Resolves to whether it went well.
 */
function measureApart({ name, seconds }: Question): Promise<boolean> {
  const patienceMs = Math.max(
    patienceMsMin,
    seconds[scale === 'long' ? 'long' : 'usual'] * 1000 * patienceTimes,
  );
  const words = [...process.execArgv, process.argv[1]!, name, ...flagsOf(), '--write'];
  const child = spawn(process.execPath, words, { stdio: 'inherit', detached: true });
  const endGroup = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended, and nothing of it is left.
    }
  };
  const interrupted = (): void => {
    endGroup();
    process.exit(130);
  };
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      console.error(`${name} has not ended after ${patienceMs / 1000} s`);
      endGroup();
    }, patienceMs);
    child.once('error', (error) => console.error(`${name}: ${error.message}`));
    child.once('close', (code) => {
      clearTimeout(timer);
      endGroup();
      process.off('SIGINT', interrupted);
      process.off('SIGTERM', interrupted);
      resolve(code === 0);
    });
  });
}

async function measureAll(): Promise<void> {
  const startedAt = performance.now();
  const failed: string[] = [];
  for (const question of questions) {
    if ((question.isOfFeature ?? false) !== values.features) continue;
    if (!(await measureApart(question))) failed.push(question.name);
  }
  console.log(`all: ${Math.round((performance.now() - startedAt) / 1000)} s`);
  if (failed.length === 0) return;
  console.error(`not measured: ${failed.join(', ')}`);
  process.exitCode = 1;
}

async function measureSome(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const question = questions.find((each) => each.name === name);
    if (question === undefined) {
      console.error(`no question is called ${name}; npm run bench -- --list tells what there is`);
      process.exitCode = 2;
      continue;
    }
    await measure(question);
  }
}

if (values.list) list();
else if (positionals.length > 0) await measureSome(positionals);
else await measureAll();
