/**
 * What one source file says that the layer rules judge: its imports, the globals it uses, its async
 * code. Read from the syntax tree, so comments, strings and properties of the same name do not count.
 */
import { type ParserOptions, parseSync } from 'oxc-parser';

export interface ImportFact {
  readonly line: number;
  /** The module as written; undefined for a dynamic import of an expression. */
  readonly specifier: string | undefined;
  /** Nothing of it is left when types are erased. */
  readonly typesOnly: boolean;
  /** Loaded when the program comes there: `import(…)` as an expression. */
  readonly isDynamic: boolean;
  /** Names imported or re-exported; `*` stands for all of them, `default` for the default. */
  readonly names: readonly string[];
}

export interface NamedFact {
  readonly line: number;
  readonly name: string;
}

export interface SourceFacts {
  readonly imports: readonly ImportFact[];
  /** Globals: `process`, `Date.now`, `new Date()`; also called through `globalThis`. */
  readonly globals: readonly NamedFact[];
  /** `async`, `await`, `for await`, `Promise` and its kin, as values and as types. */
  readonly asynchronous: readonly NamedFact[];
  readonly defaultExports: readonly number[];
  /** `let` and `var` at module level. */
  readonly moduleVariables: readonly NamedFact[];
}

/** The file is not valid TypeScript. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly line: number;
  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

interface Visit {
  readonly node: SyntaxNode;
  readonly parent: SyntaxNode | undefined;
  /** The field of the parent that holds the node. */
  readonly field: string;
  /** The parent is a property of a pattern, `{ name }`, and not of an object literal. */
  readonly inPattern: boolean;
}

const asyncNames: ReadonlySet<string> = new Set([
  'Promise',
  'PromiseLike',
  'Awaited',
  'AsyncIterable',
  'AsyncIterator',
  'AsyncIterableIterator',
  'AsyncGenerator',
]);

export function sourceFacts(path: string, text: string): SourceFacts {
  const options: ParserOptions = { lang: 'ts', sourceType: 'module' };
  const parsed = parseSync(path, text, options);
  const lineOf = lineCounter(text);
  const [problem] = parsed.errors;
  if (problem !== undefined) {
    throw new SourceError(lineOf(problem.labels[0]?.start ?? 0), problem.message);
  }
  const visits = visitAll(parsed.program as unknown as SyntaxNode);
  const bound = boundNames(visits);
  const defaultExports = visits.filter(
    ({ node }) =>
      node.type === 'ExportDefaultDeclaration' ||
      (node.type === 'ExportSpecifier' && nameOf(node.exported) === 'default'),
  );
  return {
    imports: visits.flatMap(({ node }) => importOf(node, lineOf)),
    globals: visits.flatMap((visit) => globalsOf(visit, bound, lineOf)),
    asynchronous: visits.flatMap((visit) => asyncOf(visit, lineOf)),
    defaultExports: defaultExports.map(({ node }) => lineOf(node.start)),
    moduleVariables: visits.flatMap((visit) => moduleVariableOf(visit, lineOf)),
  };
}

function lineCounter(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (starts[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Every node with its place, parents before children, in source order. */
function visitAll(program: SyntaxNode): readonly Visit[] {
  const visits: Visit[] = [];
  const pending: Visit[] = [{ node: program, parent: undefined, field: '', inPattern: false }];
  for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
    visits.push(visit);
    const children: Visit[] = [];
    const inPattern = visit.parent?.type === 'ObjectPattern';
    for (const [field, value] of Object.entries(visit.node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) children.push({ node: child, parent: visit.node, field, inPattern });
      }
    }
    pending.push(...children.reverse());
  }
  return visits;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function nodes(value: unknown): readonly SyntaxNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function nameOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier' && typeof node.name === 'string') return node.name;
  if (node.type === 'Literal' && typeof node.value === 'string') return node.value;
  return undefined;
}

function literalOf(node: unknown): string | undefined {
  return isNode(node) && node.type === 'Literal' ? nameOf(node) : undefined;
}

function importOf(node: SyntaxNode, lineOf: (offset: number) => number): readonly ImportFact[] {
  const line = lineOf(node.start);
  switch (node.type) {
    case 'ImportDeclaration': {
      const specifiers = nodes(node.specifiers);
      const allTypes = specifiers.length > 0 && specifiers.every((s) => s.importKind === 'type');
      const typesOnly = node.importKind === 'type' || allTypes;
      return [
        {
          line,
          specifier: literalOf(node.source),
          typesOnly,
          isDynamic: false,
          names: specifiers.map(importedName),
        },
      ];
    }
    case 'ExportNamedDeclaration': {
      if (!isNode(node.source)) return [];
      const specifiers = nodes(node.specifiers);
      const allTypes = specifiers.length > 0 && specifiers.every((s) => s.exportKind === 'type');
      const typesOnly = node.exportKind === 'type' || allTypes;
      const names = specifiers.map((s) => nameOf(s.local) ?? '*');
      return [{ line, specifier: literalOf(node.source), typesOnly, isDynamic: false, names }];
    }
    case 'ExportAllDeclaration': {
      const typesOnly = node.exportKind === 'type';
      return [{ line, specifier: literalOf(node.source), typesOnly, isDynamic: false, names: ['*'] }];
    }
    case 'ImportExpression':
      return [{ line, specifier: literalOf(node.source), typesOnly: false, isDynamic: true, names: ['*'] }];
    case 'TSImportType':
      return [{ line, specifier: literalOf(node.source), typesOnly: true, isDynamic: false, names: ['*'] }];
    default:
      return [];
  }
}

function importedName(specifier: SyntaxNode): string {
  if (specifier.type === 'ImportDefaultSpecifier') return 'default';
  if (specifier.type === 'ImportNamespaceSpecifier') return '*';
  return nameOf(specifier.imported) ?? '*';
}

/**
 * Names that the file itself binds. A simulated `process` is a parameter, not the machine's; that a
 * file which binds the name somewhere could use the global elsewhere is accepted.
 */
function boundNames(visits: readonly Visit[]): ReadonlySet<string> {
  const bound = new Set<string>();
  for (const visit of visits) {
    const name = nameOf(visit.node);
    if (name !== undefined && isBinding(visit)) bound.add(name);
  }
  return bound;
}

function isBinding({ parent, field, inPattern }: Visit): boolean {
  switch (parent?.type) {
    case 'Property':
      return inPattern && field === 'value';
    case 'VariableDeclarator':
    case 'ClassDeclaration':
    case 'ClassExpression':
      return field === 'id';
    case 'FunctionDeclaration':
    case 'FunctionExpression':
    case 'ArrowFunctionExpression':
      return field === 'id' || field === 'params';
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
      return field === 'local';
    case 'AssignmentPattern':
      return field === 'left';
    case 'ArrayPattern':
      return field === 'elements';
    case 'RestElement':
      return field === 'argument';
    case 'CatchClause':
      return field === 'param';
    default:
      return false;
  }
}

/** Fields that hold a name which refers to nothing outside: keys, members, labels, types' own names. */
const nameFields: ReadonlyMap<string, readonly string[]> = new Map([
  ['PropertyDefinition', ['key']],
  ['MethodDefinition', ['key']],
  ['AccessorProperty', ['key']],
  ['TSPropertySignature', ['key']],
  ['TSAbstractPropertyDefinition', ['key']],
  ['TSAbstractMethodDefinition', ['key']],
  ['LabeledStatement', ['label']],
  ['BreakStatement', ['label']],
  ['ContinueStatement', ['label']],
  ['ImportSpecifier', ['imported', 'local']],
  ['ExportSpecifier', ['local', 'exported']],
  ['TSEnumMember', ['id']],
  ['TSNamedTupleMember', ['label']],
  ['TSTypeReference', ['typeName']],
  ['TSQualifiedName', ['left', 'right']],
  ['TSInterfaceDeclaration', ['id']],
  ['TSTypeAliasDeclaration', ['id']],
  ['TSTypeParameter', ['name']],
  ['TSInterfaceHeritage', ['expression']],
  ['TSClassImplements', ['expression']],
  ['TSFunctionType', ['params']],
  ['TSMethodSignature', ['key', 'params']],
  ['TSCallSignatureDeclaration', ['params']],
  ['TSConstructSignatureDeclaration', ['params']],
  ['TSConstructorType', ['params']],
  ['TSIndexSignature', ['parameters']],
  ['TSTypePredicate', ['parameterName']],
  ['MetaProperty', ['meta', 'property']],
]);

function isReference(visit: Visit): boolean {
  const { node, parent, field } = visit;
  if (node.type !== 'Identifier' || parent === undefined) return false;
  if (parent.type === 'MemberExpression') return field === 'object' || parent.computed === true;
  if (parent.type === 'Property' && field === 'key') return parent.computed === true;
  if (nameFields.get(parent.type)?.includes(field)) return parent.computed === true;
  return !isBinding(visit);
}

function globalsOf(
  visit: Visit,
  bound: ReadonlySet<string>,
  lineOf: (offset: number) => number,
): readonly NamedFact[] {
  const { node, parent } = visit;
  if (!isReference(visit)) return [];
  const name = nameOf(node)!;
  if (bound.has(name)) return [];
  const facts: NamedFact[] = [{ line: lineOf(node.start), name }];
  if (parent?.type === 'MemberExpression' && parent.object === node) {
    const member = nameOf(parent.property);
    if (member !== undefined) facts.push({ line: lineOf(node.start), name: `${name}.${member}` });
  }
  if (name === 'Date' && parent?.type === 'NewExpression' && nodes(parent.arguments).length === 0) {
    facts.push({ line: lineOf(node.start), name: 'new Date()' });
  }
  if (name === 'Date' && parent?.type === 'CallExpression' && parent.callee === node) {
    facts.push({ line: lineOf(node.start), name: 'Date()' });
  }
  return facts;
}

function asyncOf(visit: Visit, lineOf: (offset: number) => number): readonly NamedFact[] {
  const { node, parent } = visit;
  const line = lineOf(node.start);
  if (node.async === true) return [{ line, name: 'async' }];
  if (node.type === 'AwaitExpression') return [{ line, name: 'await' }];
  if (node.type === 'ForOfStatement' && node.await === true) return [{ line, name: 'for await' }];
  const name = nameOf(node);
  if (node.type !== 'Identifier' || name === undefined || !asyncNames.has(name)) return [];
  const isType = parent?.type === 'TSTypeReference' || parent?.type === 'TSInterfaceHeritage';
  return isType || isReference(visit) ? [{ line, name }] : [];
}

function moduleVariableOf({ node, parent }: Visit, lineOf: (offset: number) => number): readonly NamedFact[] {
  const atModuleLevel = parent?.type === 'Program' || parent?.type === 'ExportNamedDeclaration';
  if (node.type !== 'VariableDeclaration' || !atModuleLevel || node.declare === true) return [];
  if (node.kind !== 'let' && node.kind !== 'var') return [];
  return [{ line: lineOf(node.start), name: node.kind }];
}
