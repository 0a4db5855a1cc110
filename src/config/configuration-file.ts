/**
 * Reads the text of `hale.conf`: TOML, or JSON if it starts with `{`. Tables and dotted keys mean the
 * same. Every problem is found in one go, with its line.
 */
import { parse as parseToml, TomlError } from 'smol-toml';
import { jsonLines, tomlLines } from './key-lines.ts';
import type { Problem, Reading, Setting } from './setting.ts';

/** `name` is how problems call the file. The text may start with a byte order mark. */
export function readConfigurationFile(name: string, text: string): Reading {
  const source = text.replace(/^\uFEFF/, '');
  return /^\s*\{/.test(source) ? readJson(name, source) : readToml(name, source);
}

function readToml(path: string, text: string): Reading {
  const lines = text.split('\n');
  const problems: Problem[] = [];
  // Each round repairs one line in memory, so that the rest of the file is looked at too.
  for (let round = 0; round <= lines.length; round += 1) {
    const source = lines.join('\n');
    try {
      const tree = parseToml(source);
      return flatten(path, tree, tomlLines(source), problems);
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const line = error.line;
      const repair = quoteBareValue(lines[line - 1] ?? '');
      const origin = { kind: 'file', path, line } as const;
      if (repair === undefined) {
        problems.push({ origin, rule: `is not valid TOML: ${firstSentence(error.message)}` });
        return { settings: [], problems };
      }
      problems.push({ origin, rule: `the value must be quoted: ${repair}` });
      lines[line - 1] = repair;
    }
  }
  return { settings: [], problems };
}

function firstSentence(message: string): string {
  return message.replace(/^Invalid TOML document: /, '').split('\n')[0]!;
}

/** A line of Riak's own format, `key = 127.0.0.1:8098`, with the quotes that TOML wants; undefined for others. */
function quoteBareValue(line: string): string | undefined {
  const match = /^\s*([\w.-]+)\s*=\s*([^\s"'[{#][^"#]*?)\s*(?:#.*)?$/.exec(line);
  if (match === null || isValidToml(line)) return undefined;
  return `${match[1]} = ${JSON.stringify(match[2])}`;
}

/** A line that is right by itself is wrong for another reason, such as a name that was there before. */
function isValidToml(line: string): boolean {
  try {
    parseToml(line);
    return true;
  } catch {
    return false;
  }
}

function readJson(path: string, text: string): Reading {
  try {
    const tree: unknown = JSON.parse(text);
    return flatten(path, tree, jsonLines(text), []);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const position = /position (\d+)/.exec(error.message)?.[1];
    const line = position === undefined ? lineCount(text) : lineCount(text.slice(0, Number(position)));
    const rule = `is not valid JSON: ${error.message.replace(/ in JSON at position.*$/, '')}`;
    return { settings: [], problems: [{ origin: { kind: 'file', path, line }, rule }] };
  }
}

function lineCount(text: string): number {
  return text.split('\n').length;
}

const scalarRule = 'must be a string, a number or true or false';

function flatten(
  path: string,
  tree: unknown,
  lines: ReadonlyMap<string, number>,
  problems: Problem[],
): Reading {
  const settings: Setting[] = [];
  const seen = new Set<string>();
  const walk = (prefix: string, value: unknown): void => {
    const origin = { kind: 'file', path, line: lineOf(prefix, lines) } as const;
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
      if (seen.has(prefix)) problems.push({ origin, key: prefix, rule: 'is set twice' });
      seen.add(prefix);
      settings.push({ key: prefix, text: String(value), origin });
    } else if (isTable(value)) {
      for (const [name, inner] of Object.entries(value)) {
        walk(prefix === '' ? name : `${prefix}.${name}`, inner);
      }
    } else {
      problems.push({ origin, key: prefix, rule: scalarRule });
    }
  };
  walk('', tree);
  return { settings, problems };
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** The line of the key, or of the nearest table around it: an inline table has one line for all. */
function lineOf(key: string, lines: ReadonlyMap<string, number>): number {
  for (let name = key; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const line = lines.get(name);
    if (line !== undefined) return line;
  }
  return 1;
}
