/**
 * `npm run mutants -- [NAME…] [--list]`: plants each mutant of the table in a copy of the tree, compiles it, and runs its scenario
 * until a seed fails. A mutant that no seed finds, or of which the source has gone, fails the command: then a scenario looks
 * where nothing can be seen, or the table is out of date.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type Mutant, mutants } from './mutant-table.ts';
import { mutated } from './plant-mutant.ts';
import { processEnvironment } from './process-environment.ts';
import { repositoryRoot, sourceFolders } from './source-files.ts';

process.exitCode = main();

function main(): number {
  const { values, positionals } = parseArgs({
    options: { list: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !mutants.some((mutant) => mutant.name === name));
  if (values.list || unknown.length > 0) {
    for (const name of unknown) console.error(`no mutant ${name}`);
    for (const { name, does, scenario } of mutants) console.log(`${name}: ${does}; ${scenario} finds it`);
    return unknown.length > 0 ? 2 : 0;
  }
  const chosen = mutants.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const copy = mkdtempSync(path.join(tmpdir(), 'hale-mutants-'));
  try {
    copyTree(copy);
    const survivors = chosen.filter((mutant) => !isFound(copy, mutant));
    console.log(`${chosen.length - survivors.length} of ${chosen.length} mutants were found`);
    return survivors.length === 0 ? 0 : 1;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function copyTree(copy: string): void {
  for (const name of [...sourceFolders, 'package.json', 'tsconfig.json']) {
    cpSync(path.join(repositoryRoot, name), path.join(copy, name), { recursive: true });
  }
  symlinkSync(path.join(repositoryRoot, 'node_modules'), path.join(copy, 'node_modules'));
  mkdirSync(path.join(copy, 'build'));
}

function isFound(copy: string, mutant: Mutant): boolean {
  const file = path.join(copy, mutant.file);
  const source = readFileSync(file, 'utf8');
  console.log(`${mutant.name}: ${mutant.does}`);
  try {
    writeFileSync(file, mutated(source, mutant));
    compile(copy);
    for (let seed = mutant.firstSeed; seed < mutant.firstSeed + mutant.seedsMax; seed += 1) {
      const failure = failureOf(copy, mutant.scenario, seed);
      if (failure === undefined) continue;
      // What fails anyway finds nothing.
      if (failureOf(repositoryRoot, mutant.scenario, seed) !== undefined) {
        console.log(`  seed ${seed} fails without the mutant, too: that is to be mended first`);
        continue;
      }
      console.log(`  found by ${mutant.scenario}, seed ${seed}: ${failure}`);
      return true;
    }
    console.log(`  NOT FOUND by ${mutant.scenario} in ${mutant.seedsMax} seeds from ${mutant.firstSeed} on`);
    return false;
  } finally {
    writeFileSync(file, source);
  }
}

/** A mutant with an error of types would be no mutant: it might fail for another reason than it should. */
function compile(copy: string): void {
  const tsc = path.join(copy, 'node_modules', '.bin', 'tsc');
  const { status, stdout } = spawnSync(tsc, ['-p', 'tsconfig.json', '--noUnusedLocals', 'false'], {
    cwd: copy,
    encoding: 'utf8',
    env: processEnvironment(),
  });
  if (status !== 0) throw new Error(`the mutant does not compile: ${stdout}`);
}

/** What the run said of its failure; undefined: it passed. */
function failureOf(tree: string, scenario: string, seed: number): string | undefined {
  const args = ['build/scripts/sim.js', '--scenario', scenario, '--seed', `${seed}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: tree,
    encoding: 'utf8',
    env: processEnvironment(),
  });
  if (status === 0) return undefined;
  const line = stdout.split('\n').find((one) => one.includes('FAILED: '));
  if (line === undefined) throw new Error(`${scenario}, seed ${seed} did not run: ${stderr}`);
  return line.slice(line.indexOf('FAILED: ') + 'FAILED: '.length);
}
