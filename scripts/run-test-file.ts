/**
 * Runs one compiled test file in a process of its own, in the Node that runs this. Node's own runner is
 * not used for many files: what its time limit ends, and whether it names the test, differs between
 * Node 20 and 26.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { processEnvironment } from './process-environment.ts';
import { type TestFailure, type TestReport, TestTally } from './test-report.ts';

export interface TestFileResult {
  readonly passed: number;
  readonly failures: readonly TestFailure[];
  readonly elapsedMs: number;
  /** What its tests have measured (`context.diagnostic`). */
  readonly notes: readonly string[];
  /** What the file printed, standard output and error together, at most `outputCharsMax`. */
  readonly output: string;
}

const outputCharsMax = 200_000;

/** A file in which no test starts or ends for `silenceMsMax` is killed, and its running tests are named. */
export async function runTestFile(
  compiledPath: string,
  directory: string,
  silenceMsMax: number,
): Promise<TestFileResult> {
  const started = performance.now();
  const reporter = pathToFileURL(path.join(import.meta.dirname, 'test-event-reporter.js')).href;
  const flags = ['--enable-source-maps', `--test-reporter=${reporter}`, '--test-reporter-destination=stdout'];
  const child = spawn(process.execPath, [...flags, compiledPath], {
    cwd: directory,
    env: processEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const tally = new TestTally();
  const problems: TestFailure[] = [];
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => output.push(text));
  }
  const watchdog = setTimeout(() => {
    problems.push(hangOf(tally, silenceMsMax));
    child.kill('SIGKILL');
  }, silenceMsMax);
  const reports = createInterface({ input: child.stdio[3] as Readable });
  reports.on('line', (line) => {
    tally.add(JSON.parse(line) as TestReport);
    watchdog.refresh();
  });
  const exit = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? String(code)));
  });
  clearTimeout(watchdog);
  const failures = [...tally.failures, ...problems];
  if (exit !== '0' && failures.length === 0) {
    failures.push({ name: '(the file)', reason: `its process ended with ${exit}` });
  }
  if (tally.passed === 0 && failures.length === 0) {
    failures.push({ name: '(the file)', reason: 'ran no test' });
  }
  const elapsedMs = performance.now() - started;
  const { passed, notes } = tally;
  return { passed, failures, elapsedMs, notes, output: output.join('').slice(-outputCharsMax) };
}

function hangOf(tally: TestTally, silenceMsMax: number): TestFailure {
  const seconds = silenceMsMax / 1000;
  const [...running] = tally.running;
  if (running.length > 0) return { name: running.join(' > '), reason: `hung: killed after ${seconds} s` };
  return {
    name: '(the file)',
    reason: `its tests ended, its process did not: a socket, timer or file is still open (killed after ${seconds} s)`,
  };
}
