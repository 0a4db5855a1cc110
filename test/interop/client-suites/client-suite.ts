/**
 * Runs the test suite that a stock client ships inside its package, unmodified and where it was installed,
 * against a started node. Each run is a process of its own: the suites leave sockets open, and mocha and
 * lab end the process when they are done.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processEnvironment } from '../../../scripts/process-environment.ts';
import { repositoryRoot } from '../../../scripts/source-files.ts';
import type { StartedNode } from '../started-node.ts';

export interface ClientSuite {
  /** The npm package. */
  readonly name: string;
  readonly runner: 'mocha' | 'lab';
  /** What the runner is given besides, in the order of the processes. */
  readonly runs: readonly (readonly string[])[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Bucket types that its authors make before they run it, and their properties. */
  readonly bucketTypes?: Readonly<Record<string, object>>;
  readonly passes: number;
  /** Why → the titles of the tests and hooks that fail for it. */
  readonly misses: Readonly<Record<string, readonly string[]>>;
}

export interface SuiteOutcome {
  readonly passed: readonly string[];
  /** Title of each failed test or hook → what it said. */
  readonly failed: ReadonlyMap<string, string>;
}

const runMsMax = { mocha: 50_000, lab: 12_000 };
const preload = new URL('./old-platform.js', import.meta.url).href;

/** A run that ends without a report, since a hook hung, is one failure, named after what was run. */
export async function runClientSuite(suite: ClientSuite, node: StartedNode): Promise<SuiteOutcome> {
  const passed: string[] = [];
  const failed = new Map<string, string>();
  for (const run of suite.runs) {
    for (const { title, failure } of await resultsOf(suite, run, node)) {
      if (failure === undefined) passed.push(title);
      else if (!failed.has(title)) failed.set(title, failure);
    }
  }
  return { passed, failed };
}

async function resultsOf(suite: ClientSuite, run: readonly string[], node: StartedNode): Promise<Result[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'hale-suite-'));
  const reportFile = path.join(folder, 'report.json');
  const program = suite.runner === 'mocha' ? 'mocha/bin/_mocha' : 'lab/bin/lab';
  const reporting =
    suite.runner === 'mocha'
      ? ['--exit', '--reporter', 'json', '--reporter-option', `output=${reportFile}`]
      : ['-l', '-r', 'json', '-o', reportFile];
  const packages = path.join(repositoryRoot, 'node_modules');
  const child = spawn(
    process.execPath,
    ['--no-deprecation', '--import', preload, path.join(packages, program), ...reporting, ...run],
    {
      cwd: path.join(packages, suite.name),
      env: {
        ...processEnvironment(),
        ...suite.environment,
        SUITE_PROTOBUF_PORT: String(node.protobufPort),
        SUITE_HTTP_PORT: String(node.httpPort),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: runMsMax[suite.runner],
      killSignal: 'SIGKILL',
    },
  );
  const printed: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => printed.push(text));
  try {
    await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
    const report = existsSync(reportFile) ? readFileSync(reportFile, 'utf8') : '';
    if (report === '')
      return [{ title: run.join(' '), failure: `no report: ${printed.join('').slice(-1000)}` }];
    return suite.runner === 'mocha' ? mochaResults(report) : labResults(report);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Result {
  readonly title: string;
  readonly failure?: string;
}

function mochaResults(report: string): Result[] {
  interface Entry {
    readonly fullTitle: string;
    readonly err: { readonly message?: string };
  }
  const { passes, failures } = JSON.parse(report) as Record<'passes' | 'failures', readonly Entry[]>;
  const failed = failures.map(({ fullTitle, err }) => ({
    title: fullTitle,
    failure: err.message ?? 'failed',
  }));
  // A test whose callback is called twice, the second time with an error, is in both lists.
  const titles = new Set(failed.map(({ title }) => title));
  return [...passes.filter((p) => !titles.has(p.fullTitle)).map((p) => ({ title: p.fullTitle })), ...failed];
}

function labResults(report: string): Result[] {
  const { tests } = JSON.parse(report) as {
    readonly tests: Readonly<
      Record<string, readonly { readonly title: string; readonly err: string | boolean }[]>
    >;
  };
  return Object.entries(tests).flatMap(([experiment, results]) =>
    results.map(({ title, err }) => ({
      title: `${experiment.replaceAll('/', ' ')} ${title}`,
      ...(err === false ? {} : { failure: String(err) }),
    })),
  );
}

/** Fails if the outcome is worse or better than expected: a miss that has gone is to be struck off. */
export function checkOutcome(suite: ClientSuite, { passed, failed }: SuiteOutcome): void {
  const named = new Set(Object.values(suite.misses).flat());
  const unexpected = [...failed].filter(([title]) => !named.has(title));
  const gone = [...named].filter((title) => !failed.has(title));
  const lines = [
    ...unexpected.map(([title, failure]) => `should pass: ${title}: ${failure.slice(0, 300)}`),
    ...gone.map((title) => `passes by now, strike it off: ${title}`),
  ];
  assert.equal(lines.length, 0, `\n${lines.join('\n')}\n(${passed.length} passed)`);
  assert.equal(passed.length, suite.passes, 'tests that passed');
}
