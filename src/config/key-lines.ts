/**
 * On which line each key of a document stands. The parsers do not say; a light scan of a document that
 * they have accepted does. A key that it misses is reported at the table around it.
 */

/** Dotted name → line, counted from 1; tables have the line of their header. */
export function tomlLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let table = '';
  let multiline: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (multiline !== undefined) {
      if (line.includes(multiline)) multiline = undefined;
      continue;
    }
    const header = /^\s*\[+([^\]]+)\]/.exec(line)?.[1];
    if (header !== undefined) {
      table = dottedName(header);
      lines.set(table, index + 1);
      continue;
    }
    const match = /^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=(.*)$/.exec(
      line,
    );
    if (match === null) continue;
    const name = dottedName(match[1]!);
    lines.set(table === '' ? name : `${table}.${name}`, index + 1);
    const opening = /^\s*("""|''')/.exec(match[2]!)?.[1];
    if (opening !== undefined && match[2]!.split(opening).length === 2) multiline = opening;
  }
  return lines;
}

/** `listener . "http".internal` → `listener.http.internal` */
function dottedName(written: string): string {
  return [...written.matchAll(/[\w-]+|"([^"]*)"|'([^']*)'/g)].map((m) => m[1] ?? m[2] ?? m[0]).join('.');
}

export function jsonLines(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  const path: string[] = [];
  let name: string | undefined;
  let line = 1;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]|\n/g)) {
    if (token === '\n') line += 1;
    else if (token === '{' || token === '[') {
      if (name !== undefined || path.length > 0) path.push(name ?? '');
      name = undefined;
    } else if (token === '}' || token === ']') path.pop();
    else if (token.endsWith(':')) {
      name = JSON.parse(token.replace(/\s*:$/, '')) as string;
      lines.set([...path, name].filter((part) => part !== '').join('.'), line);
      line += token.split('\n').length - 1;
    }
  }
  return lines;
}
