/**
 * The form in which two bodies are compared. Members of JSON objects have no order; neither have the names
 * of a listing or the results of a query, unless the request asked for one; and a stream may be cut anywhere,
 * so its pieces are put together.
 */

interface Shape {
  /** In lower case, of either side. */
  readonly contentType: string;
  /** Whether the order of lists matters. */
  readonly ordered: boolean;
}

export function canonicalBody(body: string, { contentType, ordered }: Shape): string {
  const text = body.replaceAll('\r\n', '\n').trim();
  if (contentType.startsWith('application/json')) return canonicalJson(objectsIn(text), ordered) ?? text;
  const isMultipart = contentType.startsWith('multipart/mixed');
  if (isMultipart && /^Content-Type: application\/json$/im.test(text) && !/^Etag: /m.test(text)) {
    const boundary = /^--(\S+?)$/m.exec(text)?.[1] ?? '';
    const parts = text.split(`--${boundary}`).slice(1, -1);
    const bodies = parts.map((part) => part.slice(part.indexOf('\n\n') + 2).trim());
    return canonicalJson(bodies, ordered) ?? text;
  }
  if (isMultipart) return canonicalParts(text);
  // Tags may come in any order, and a template does not know them yet.
  return text.startsWith('Siblings:\n') ? `Siblings: ${text.split('\n').length - 1}` : text;
}

/** Parts of siblings have no order: by what they say besides their tags. */
function canonicalParts(text: string): string {
  const boundary = /^--(\S+?)$/m.exec(text)?.[1];
  if (boundary === undefined || text.includes('Content-Type: multipart/mixed')) return text;
  const key = (part: string): string => part.replaceAll(/^(Etag|Last-Modified): .*$/gm, '$1');
  const parts = text.split(`--${boundary}`).slice(1, -1);
  const inOrder = parts.sort((a, b) => compare(key(a), key(b))).map((part) => `--B${part}`);
  return `${inOrder.join('')}--B--`;
}

/** The JSON documents of a text that holds them one after the other. */
function objectsIn(text: string): readonly string[] {
  return text.startsWith('{') ? text.split(/(?<=\})(?=\{)/) : [text];
}

function canonicalJson(documents: readonly string[], ordered: boolean): string | undefined {
  try {
    const merged = documents.map((document) => JSON.parse(document) as unknown).reduce(joined);
    return JSON.stringify(sorted(merged, ordered, true));
  } catch {
    return undefined;
  }
}

/** Lists of the same name follow one another. */
function joined(left: unknown, right: unknown): unknown {
  if (Array.isArray(left) && Array.isArray(right)) return [...(left as unknown[]), ...(right as unknown[])];
  if (!isObject(left) || !isObject(right)) return right;
  const result = new Map(Object.entries(left));
  for (const [name, value] of Object.entries(right)) {
    result.set(name, result.has(name) ? joined(result.get(name), value) : value);
  }
  return Object.fromEntries(result);
}

function sorted(value: unknown, ordered: boolean, isTop: boolean): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => sorted(item, ordered, false));
    return isTop && !ordered ? items.sort((a, b) => compare(JSON.stringify(a), JSON.stringify(b))) : items;
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(
    ([name, item]) => [name, sorted(item, ordered, isTop && Array.isArray(item))] as const,
  );
  return Object.fromEntries(entries.sort(([a], [b]) => compare(a, b)));
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
