/** One HTTP request to a node, buffered; for commands, not for load. */
import { Buffer } from 'node:buffer';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { request as httpRequest } from 'node:http';
import { CommandFailure, exitCodes } from './exit-codes.ts';

const timeoutMsMax = 70_000;
const responseBytesMax = 1024 * 1024 * 1024;

export interface NodeRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** From the root, encoded. */
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer;
}

export interface NodeResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The root of a node's HTTP listener. Throws `CommandFailure` if it is not an http URL. */
export function nodeUrl(at: string): URL {
  const text = /^[a-z]+:\/\//i.test(at) ? at : `http://${at}`;
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (url.protocol === 'http:') return url;
  }
  throw new CommandFailure(exitCodes.usage, `--at ${at}: must be http://HOST:PORT`);
}

/** Rejects with `CommandFailure`: code `unreachable` if nobody answers. */
export function requestOf(node: URL, request: NodeRequest): Promise<NodeResponse> {
  return new Promise((resolve, reject) => {
    const unreachable = (error: NodeJS.ErrnoException) => {
      const reason = error.code ?? error.message;
      reject(new CommandFailure(exitCodes.unreachable, `no node answers at ${node.origin} (${reason})`));
    };
    const outgoing = httpRequest(
      {
        hostname: node.hostname.replace(/^\[(.*)\]$/, '$1'),
        port: node.port === '' ? 80 : node.port,
        method: request.method,
        path: request.path,
        headers: { ...request.headers, connection: 'close' },
        timeout: timeoutMsMax,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        let length = 0;
        incoming.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          length += chunk.length;
          if (length > responseBytesMax) incoming.destroy(new Error('the answer is too large'));
        });
        incoming.on('error', unreachable);
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${timeoutMsMax} ms`)));
    outgoing.on('error', unreachable);
    outgoing.end(request.body);
  });
}

/** What the node said was wrong, on one line. */
export function responseProblem(response: NodeResponse): string {
  const text = response.body.toString('utf8').trim().replace(/\s+/g, ' ');
  return text === '' ? `the node answered ${response.status}` : `${text} (${response.status})`;
}
