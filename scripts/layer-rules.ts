/**
 * Judges one source file by the table of `layer-table.ts`. Pure: told of a path and its facts, it
 * returns what is wrong, each with the line and the reason.
 */
import path from 'node:path/posix';
import {
  defaultExportPaths,
  dynamicImports,
  emptyNames,
  entryPoint,
  type ModuleRow,
  machineGlobals,
  machineGlobalsOf,
  machinePaths,
  modules,
  modulesWithSubfaces,
  publicSubpaths,
  pureBuiltins,
  purePaths,
  testBuiltins,
  testModules,
} from './layer-table.ts';
import type { ImportFact, SourceFacts } from './source-facts.ts';

export interface Violation {
  readonly line: number;
  readonly message: string;
}

/** Where a file stands: what it is decides which rules hold. */
type Place =
  | { readonly kind: 'module'; readonly module: string }
  | { readonly kind: 'entry point' }
  | { readonly kind: 'example' }
  /** `test/`, `bench/`, `scripts/`: around the house, not in it. */
  | { readonly kind: 'outside' };

interface SourceFile {
  /** From the root of the repository, with `/`. */
  readonly path: string;
  readonly place: Place;
  /** A test, or a fixture that tests share: neither ships. */
  readonly isTest: boolean;
  readonly isConformance: boolean;
}

const machineReasons = new Map(machineGlobals.map(({ name, instead }) => [name, instead]));

export function violationsOf(filePath: string, facts: SourceFacts): readonly Violation[] {
  const file: SourceFile = {
    path: filePath,
    place: placeOf(filePath),
    isTest: isForTests(filePath),
    isConformance: filePath.endsWith('-conformance.ts'),
  };
  const violations = [
    ...nameViolations(file),
    ...defaultExportViolations(file, facts),
    ...facts.imports.flatMap((fact) =>
      importViolations(file, fact).map((message) => ({ line: fact.line, message })),
    ),
    ...dynamicViolations(file, facts),
    ...exampleViolations(file, facts),
    ...machineViolations(file, facts),
    ...purityViolations(file, facts),
    ...stateViolations(file, facts),
  ];
  return violations.sort((a, b) => a.line - b.line);
}

function placeOf(filePath: string): Place {
  const [top, second, ...rest] = filePath.split('/');
  if (top === 'examples') return { kind: 'example' };
  if (top !== 'src' || second === undefined) return { kind: 'outside' };
  return rest.length === 0 ? { kind: 'entry point' } : { kind: 'module', module: second };
}

function nameViolations({ path: filePath, place }: SourceFile): readonly Violation[] {
  const violations: Violation[] = [];
  const folders = filePath.split('/').slice(0, -1);
  const stem = path.basename(filePath).replace(/(\.test|\.fixture)?\.ts$/, '');
  const lastWord = stem.split('-').at(-1)!;
  for (const name of new Set([stem, lastWord, ...folders])) {
    // `data-types.ts` and `bucket-types.ts` are the field's words; `types.ts` alone says nothing.
    const isFieldWord = name === 'types' && stem !== name && !folders.includes(name);
    if (emptyNames.has(name) && !isFieldWord) {
      violations.push({
        line: 1,
        message: `'${name}' names no concept: name the file after what it defines`,
      });
    }
  }
  if (place.kind === 'module' && !modules.has(place.module)) {
    violations.push({ line: 1, message: `module '${place.module}' has no row in scripts/layer-table.ts` });
  }
  return violations;
}

function defaultExportViolations(file: SourceFile, facts: SourceFacts): readonly Violation[] {
  if (matches(defaultExportPaths, file.path)) return [];
  return facts.defaultExports.map((line) => ({ line, message: 'default export: export by name' }));
}

function importViolations(file: SourceFile, fact: ImportFact): readonly string[] {
  const { specifier } = fact;
  if (specifier === undefined) return ['import of an expression: no check can follow it'];
  if (specifier.startsWith('.')) return relativeViolations(file, fact, specifier);
  if (specifier.startsWith('node:')) return builtinViolations(file, fact, specifier);
  if (specifier === 'hale' || specifier.startsWith('hale/')) return ownPackageViolations(file, specifier);
  return packageViolations(file, specifier);
}

function dynamicViolations(file: SourceFile, { imports }: SourceFacts): readonly Violation[] {
  if (file.place.kind !== 'module' || file.isTest || touchesMachine(file)) return [];
  const allowed = dynamicImports.get(file.path);
  return imports.flatMap(({ line, specifier, isDynamic }) =>
    !isDynamic || specifier === undefined || allowed?.has(specifier)
      ? []
      : [
          {
            line,
            message: `'${specifier}' is loaded while the program runs, in real time: no seed replays that`,
          },
        ],
  );
}

function relativeViolations(file: SourceFile, fact: ImportFact, specifier: string): readonly string[] {
  if (file.place.kind === 'example') {
    return [`example imports '${specifier}': an example imports one public subpath, as an application does`];
  }
  const target = path.join(path.dirname(file.path), specifier);
  const isCode = target.startsWith('src/') && !target.endsWith('.json');
  if (isCode && !specifier.endsWith('.ts')) return [`'${specifier}': relative imports end in .ts`];
  const targetPlace = placeOf(target);
  if (targetPlace.kind === 'entry point') {
    const mayUse = file.place.kind === 'outside' || file.place.kind === 'entry point' || file.isTest;
    return mayUse ? [] : [`'${specifier}' is an entry point of the package: it composes, nothing imports it`];
  }
  if (targetPlace.kind !== 'module') {
    if (file.place.kind === 'outside') return [];
    return [`'${specifier}' is outside src/: what ships does not import what does not`];
  }
  if (file.place.kind === 'module' && file.place.module === targetPlace.module) {
    if (target.endsWith('.test.ts')) {
      return [`'${specifier}' is a test: what tests share stands in a .fixture.ts`];
    }
    return isForTests(target) && !file.isTest ? [`'${specifier}' is for tests: it does not ship`] : [];
  }
  return [
    ...rowViolations(file, fact, targetPlace.module),
    ...(sharesFixture(file, target) ? [] : faceViolations(target, targetPlace.module, specifier)),
  ];
}

function exampleViolations(file: SourceFile, facts: SourceFacts): readonly Violation[] {
  if (file.place.kind !== 'example') return [];
  const own = facts.imports.filter(
    ({ specifier }) => specifier !== undefined && publicSubpaths.has(specifier),
  );
  const first = own[0]?.specifier;
  const others = own.filter(({ specifier }) => specifier !== first);
  return others.map(({ line, specifier }) => ({
    line,
    message: `'${specifier}' beside '${first}': an example imports exactly one subpath`,
  }));
}

/** What a module may import, by its own row or, for a test of it, also by those of what it imports. */
function rowViolations(file: SourceFile, fact: ImportFact, target: string): readonly string[] {
  const { place } = file;
  if (place.kind === 'outside') return [];
  const owner = place.kind === 'module' ? place.module : 'src/ (entry points)';
  const row = place.kind === 'module' ? modules.get(place.module) : entryPoint;
  if (row === undefined) return [];
  if (row.imports.includes(target)) return [];
  if (row.types?.includes(target)) {
    if (fact.typesOnly || file.isTest) return [];
    return [`${owner} may import only types of ${target}: use 'import type'`];
  }
  if (file.isTest && (testModules.includes(target) || reachOf(row).has(target))) return [];
  if (target === 'simulator') return [`${owner} imports simulator: only tests may`];
  const allowed = [...row.imports, ...(row.types ?? []).map((name) => `${name} (types)`)];
  return [`${owner} may not import ${target}; its row allows ${allowed.join(', ') || 'nothing'}`];
}

function reachOf(row: ModuleRow): ReadonlySet<string> {
  const reached = new Set<string>();
  const pending = [...row.imports, ...(row.types ?? [])];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    const next = modules.get(name);
    pending.push(...(next?.imports ?? []), ...(next?.types ?? []));
  }
  return reached;
}

/** What tests share of one module serves the tests of those that build on it. */
function sharesFixture(file: SourceFile, target: string): boolean {
  return target.endsWith('.fixture.ts') && (file.isTest || file.place.kind === 'outside');
}

function faceViolations(target: string, module: string, specifier: string): readonly string[] {
  const inModule = target.slice(`src/${module}/`.length).split('/');
  const depth = modulesWithSubfaces.has(module) ? 2 : 1;
  if (inModule.at(-1) === 'index.ts' && inModule.length <= depth) return [];
  return [`'${specifier}' passes by the public face of ${module}: import src/${module}/index.ts`];
}

function builtinViolations(file: SourceFile, fact: ImportFact, specifier: string): readonly string[] {
  if (file.place.kind === 'outside' || file.place.kind === 'example' || file.isTest) return [];
  if (touchesMachine(file)) return [];
  if (testBuiltins.has(specifier)) {
    return file.isConformance ? [] : [`'${specifier}' outside a test or a conformance suite`];
  }
  const allowed = pureBuiltins.get(specifier);
  if (allowed === '*' || (fact.typesOnly && allowed !== undefined)) return [];
  if (allowed === undefined) {
    return [`'${specifier}' is the machine: only runtime, cli and the simulator's clockwork know it`];
  }
  const impure = fact.names.filter((name) => !allowed.has(name));
  return impure.map((name) => `'${name}' of ${specifier}: only ${[...allowed].join(', ')} are pure`);
}

function ownPackageViolations(file: SourceFile, specifier: string): readonly string[] {
  if (file.place.kind === 'module' || file.place.kind === 'entry point') {
    return [`'${specifier}': inside the package, import by relative path`];
  }
  return publicSubpaths.has(specifier) ? [] : [`'${specifier}' is not a public subpath of the package`];
}

function packageViolations(file: SourceFile, specifier: string): readonly string[] {
  if (file.place.kind === 'outside' || file.place.kind === 'example' || file.isTest) return [];
  const parts = specifier.split('/');
  const name = specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!;
  const row = file.place.kind === 'module' ? modules.get(file.place.module) : entryPoint;
  if (row === undefined || row.packages?.includes(name)) return [];
  const owner = file.place.kind === 'module' ? file.place.module : 'src/ (entry points)';
  const allowed = row.packages?.join(', ') ?? 'no package';
  return [`package '${name}' in ${owner}, whose row allows ${allowed}`];
}

function machineViolations(file: SourceFile, facts: SourceFacts): readonly Violation[] {
  const chance = facts.globals.filter(({ name }) => name === 'Math.random');
  if (file.isTest) {
    return chance.map(({ line }) => ({
      line,
      message: 'Math.random in a test: a failure could not be replayed',
    }));
  }
  if (file.place.kind === 'outside' || file.place.kind === 'example' || touchesMachine(file)) return [];
  return facts.globals.flatMap(({ line, name }) => {
    if (machineGlobalsOf.get(file.path)?.has(name)) return [];
    const instead = machineReasons.get(name);
    return instead === undefined ? [] : [{ line, message: `${name} is the machine: use ${instead}` }];
  });
}

function purityViolations(file: SourceFile, facts: SourceFacts): readonly Violation[] {
  if (file.isTest || file.isConformance || !matches(purePaths, file.path)) return [];
  const asynchronous = facts.asynchronous.map(({ line, name }) => ({
    line,
    message: `${name} in pure code: protocols do not wait`,
  }));
  const values = facts.imports.filter((fact) => {
    if (fact.typesOnly || fact.specifier?.startsWith('.') !== true) return false;
    const target = placeOf(path.join(path.dirname(file.path), fact.specifier));
    return target.kind === 'module' && target.module === 'environment';
  });
  return [
    ...asynchronous,
    ...values.map(({ line }) => ({
      line,
      message: "pure code takes only types from environment: use 'import type'",
    })),
  ];
}

function stateViolations(file: SourceFile, facts: SourceFacts): readonly Violation[] {
  if (file.isTest || file.place.kind === 'outside' || file.place.kind === 'example') return [];
  return facts.moduleVariables.map(({ line, name }) => ({
    line,
    message: `${name} at module level: state is owned by an instance`,
  }));
}

function isForTests(filePath: string): boolean {
  return filePath.endsWith('.test.ts') || filePath.endsWith('.fixture.ts');
}

function touchesMachine(file: SourceFile): boolean {
  return matches(machinePaths, file.path);
}

function matches(paths: readonly string[], filePath: string): boolean {
  return paths.some((each) => (each.endsWith('/') ? filePath.startsWith(each) : filePath === each));
}
