/** One HTTP exchange by the `curl` command, or by Node's own client where there is no curl. */
import { execFile, spawnSync } from 'node:child_process';
import { request } from 'node:http';

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** `''` leaves out a header that curl would send by itself. */
  readonly headers: Readonly<Record<string, string>>;
  /** Undefined sends none. */
  readonly body: string | undefined;
}

export interface HttpResponse {
  /** `HTTP/1.1 200 OK`, of the last answer: a `100 Continue` before it is dropped. */
  readonly statusLine: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** One character a byte. */
  readonly body: string;
}

export type SendRequest = (port: number, request: HttpRequest) => Promise<HttpResponse>;

export function sendRequest(): SendRequest {
  const found = spawnSync('curl', ['--version']);
  return found.status === 0 ? sendByCurl : sendByNode;
}

function sendByCurl(port: number, { method, path, headers, body }: HttpRequest): Promise<HttpResponse> {
  const args = ['--silent', '--show-error', '--path-as-is', '--noproxy', '*'];
  args.push(...(method === 'HEAD' ? ['--head'] : ['--include', '--request', method]));
  for (const [name, value] of Object.entries(headers)) {
    args.push('--header', value === '' ? `${name}:` : `${name}: ${value}`);
  }
  if (body !== undefined) args.push('--data-binary', body);
  args.push(`http://127.0.0.1:${port}${path}`);
  return new Promise((resolve, reject) => {
    execFile('curl', args, { encoding: 'latin1' }, (error, out) => {
      if (error) reject(error);
      else resolve(parseResponse(out));
    });
  });
}

function parseResponse(text: string): HttpResponse {
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n');
  const body = text.slice(end + 4);
  if (statusLine.startsWith('HTTP/1.1 100 ')) return parseResponse(body);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(': ');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2));
  }
  return { statusLine, headers, body };
}

function sendByNode(port: number, { method, path, headers, body }: HttpRequest): Promise<HttpResponse> {
  const byDefault = body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded' };
  const sent = new Map(Object.entries({ Accept: '*/*', ...byDefault, ...headers }));
  for (const [name, value] of sent) if (value === '') sent.delete(name);
  const bytes = Buffer.from(body ?? '');
  if (body !== undefined && !sent.has('Transfer-Encoding')) sent.set('Content-Length', String(bytes.length));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, headers: Object.fromEntries(sent), agent: false },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('error', reject);
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({
            statusLine: `HTTP/${incoming.httpVersion} ${incoming.statusCode} ${incoming.statusMessage}`,
            headers: new Map(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
            body: Buffer.concat(chunks).toString('latin1'),
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}
