/** `hale get`, `put` and `del`: for people with no client at hand, over a node's HTTP API. */
import { Buffer } from 'node:buffer';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { type NodeResponse, nodeUrl, requestOf, responseProblem } from './http-request.ts';
import type { Terminal } from './terminal.ts';

export interface ObjectOptions {
  readonly at: string;
  readonly type?: string;
  readonly bucket: string;
  readonly key: string;
}

const contextHeader = 'x-riak-vclock';
const siblingsMax = 1000;

function objectPath({ type, bucket, key }: ObjectOptions): string {
  const root = type === undefined ? '' : `/types/${encodeURIComponent(type)}`;
  return `${root}/buckets/${encodeURIComponent(bucket)}/keys/${encodeURIComponent(key)}`;
}

interface Value {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Prints the value as it is stored, or all siblings; with `json`, an object that tells everything. */
export async function getObject(
  terminal: Terminal,
  options: ObjectOptions & { readonly json: boolean },
): Promise<void> {
  const node = nodeUrl(options.at);
  const path = objectPath(options);
  const response = await requestOf(node, { method: 'GET', path, headers: { accept: 'text/plain, */*' } });
  const values = await valuesOf(node, path, response);
  const context = response.headers[contextHeader];
  if (options.json) {
    const { bucket, key, type } = options;
    const shown = { type: type ?? 'default', bucket, key, context, values: values.map(jsonOf) };
    terminal.out(`${JSON.stringify(shown, undefined, 2)}\n`);
    return;
  }
  if (values.length > 1) terminal.error(`hale: ${values.length} siblings; put a value to replace them\n`);
  for (const { body } of values) {
    terminal.out(body);
    if (body.at(-1) !== 0x0a) terminal.out('\n');
  }
}

async function valuesOf(node: URL, path: string, response: NodeResponse): Promise<readonly Value[]> {
  if (response.status === 404) throw new CommandFailure(exitCodes.notFound, 'not found');
  if (response.status === 200) return [valueIn(response)];
  if (response.status !== 300) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  const vtags = response.body
    .toString('utf8')
    .split('\n')
    .slice(1)
    .filter((line) => line !== '');
  const values: Value[] = [];
  for (const vtag of vtags.slice(0, siblingsMax)) {
    const sibling = await requestOf(node, {
      method: 'GET',
      path: `${path}?vtag=${encodeURIComponent(vtag)}`,
    });
    if (sibling.status !== 200) throw new CommandFailure(exitCodes.failure, responseProblem(sibling));
    values.push(valueIn(sibling));
  }
  return values;
}

function valueIn(response: NodeResponse): Value {
  const contentType = response.headers['content-type'] ?? 'application/octet-stream';
  return { contentType, body: response.body };
}

function jsonOf({ contentType, body }: Value): Readonly<Record<string, unknown>> {
  const text = body.toString('utf8');
  if (!Buffer.from(text, 'utf8').equals(body)) return { contentType, base64: body.toString('base64') };
  if (/^application\/json\b/.test(contentType) && isJson(text))
    return { contentType, value: JSON.parse(text) as unknown };
  return { contentType, value: text };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Replaces what is stored, siblings included: a person at a prompt means "make it this". */
export async function putObject(
  terminal: Terminal,
  options: ObjectOptions & { readonly value: Buffer; readonly contentType?: string; readonly json: boolean },
): Promise<void> {
  if (options.json && !isJson(options.value.toString('utf8'))) {
    throw new CommandFailure(exitCodes.usage, 'the value is not JSON');
  }
  const node = nodeUrl(options.at);
  const path = objectPath(options);
  const contentType = options.contentType ?? (options.json ? 'application/json' : 'text/plain');
  const response = await requestOf(node, {
    method: 'PUT',
    path,
    headers: {
      'content-type': contentType,
      'content-length': options.value.length,
      ...(await currentState(node, path)).context,
    },
    body: options.value,
  });
  if (response.status < 200 || response.status >= 300) {
    throw new CommandFailure(exitCodes.failure, responseProblem(response));
  }
  terminal.out('ok\n');
}

export async function deleteObject(terminal: Terminal, options: ObjectOptions): Promise<void> {
  const node = nodeUrl(options.at);
  const path = objectPath(options);
  const { isFound, context } = await currentState(node, path);
  // Of a deleted key there is a tombstone: deleting that again would succeed.
  if (!isFound) throw new CommandFailure(exitCodes.notFound, 'not found');
  const response = await requestOf(node, { method: 'DELETE', path, headers: context });
  if (response.status === 404) throw new CommandFailure(exitCodes.notFound, 'not found');
  if (response.status !== 204) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  terminal.out('ok\n');
}

interface CurrentState {
  readonly isFound: boolean;
  /** The header that makes a write follow all that is stored now, a tombstone too; empty if nothing is. */
  readonly context: Readonly<Record<string, string>>;
}

/** An error that comes with a context is of an object that cannot be shown, and can be replaced. */
async function currentState(node: URL, path: string): Promise<CurrentState> {
  const response = await requestOf(node, { method: 'HEAD', path });
  const isFound = response.status !== 404;
  const context = response.headers[contextHeader];
  if (typeof context === 'string') return { isFound, context: { [contextHeader]: context } };
  // A write without a context would be a sibling of what could not be read.
  if (isFound) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  return { isFound, context: {} };
}
