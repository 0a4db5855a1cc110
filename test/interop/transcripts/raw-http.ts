/**
 * One HTTP exchange over a socket of its own, written byte for byte: what is replayed must leave as it was
 * recorded, and Node's own client refuses some of it (HTTP/1.0) and completes the rest.
 */
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';

export interface RawRequest {
  readonly method: string;
  readonly path: string;
  /** `Name: value`. */
  readonly headers: readonly string[];
  readonly body?: string;
  /** `1.1` if absent. */
  readonly version?: string;
}

export interface RawResponse {
  readonly status: number;
  /** Names in lower case; lines of one name are joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** Decoded as UTF-8. */
  readonly body: string;
}

export async function sendRaw(
  port: number,
  request: RawRequest,
  host: string = '127.0.0.1',
): Promise<RawResponse> {
  const socket = connect(port, host);
  socket.write(bytesOf(request));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return parse(Buffer.concat(chunks), request.method);
}

function bytesOf({ method, path, headers, body, version = '1.1' }: RawRequest): Buffer {
  const has = (name: string): boolean => headers.some((line) => line.toLowerCase().startsWith(`${name}:`));
  const lines = [`${method} ${path} HTTP/${version}`, 'Host: 127.0.0.1', 'Connection: close', ...headers];
  if (!has('accept')) lines.push('Accept: */*');
  const bytes = Buffer.from(body ?? '');
  const chunked = has('transfer-encoding');
  if (body !== undefined && !chunked && !has('content-length')) lines.push(`Content-Length: ${bytes.length}`);
  const sent = chunked ? Buffer.from(`${bytes.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`) : bytes;
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), sent]);
}

function parse(bytes: Buffer, method: string): RawResponse {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`not an HTTP response: ${bytes.toString('latin1').slice(0, 200)}`);
  const [statusLine = '', ...lines] = bytes.toString('utf8', 0, end).split('\r\n');
  const rest = bytes.subarray(end + 4);
  const status = Number(statusLine.split(' ')[1]);
  if (status === 100) return parse(rest, method);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const before = headers.get(name);
    const value = line.slice(colon + 1).trim();
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const isChunked = headers.get('transfer-encoding') === 'chunked' && method !== 'HEAD';
  return { status, headers, body: (isChunked ? unchunked(rest) : rest).toString('utf8') };
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    const length = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (!(length > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + length));
    at = lineEnd + 4 + length;
  }
}
