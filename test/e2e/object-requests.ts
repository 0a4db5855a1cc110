/** Objects over HTTP, on connections that are kept. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';
import { ConnectionLostError } from './frame-connection.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class ObjectRequests implements Disposable {
  readonly #url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.#url = url;
  }

  /** Rejects with `ConnectionLostError` if the connection ends before the answer does. */
  send(method: string, path: string, body?: Buffer, headers: IncomingHttpHeaders = {}): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const type = body === undefined ? {} : { 'content-type': 'application/octet-stream' };
      const options = { method, agent: this.#agent, headers: { ...type, ...headers } };
      const outgoing = request(`${this.#url}${path}`, options, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', () => undefined);
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode!,
            headers: incoming.headers,
            body: Buffer.concat(chunks),
          }),
        );
        incoming.on('close', () => reject(new ConnectionLostError('the answer was cut short')));
      });
      outgoing.on('error', (error) => reject(new ConnectionLostError(error.message)));
      outgoing.end(body);
    });
  }

  put(bucket: string, key: string, value: Buffer): Promise<HttpAnswer> {
    return this.send('PUT', pathOf(bucket, key), value);
  }

  get(bucket: string, key: string): Promise<HttpAnswer> {
    return this.send('GET', pathOf(bucket, key));
  }

  delete(bucket: string, key: string): Promise<HttpAnswer> {
    return this.send('DELETE', pathOf(bucket, key));
  }

  /** A metric of the node, by its name in the page of metrics. */
  async metric(name: string): Promise<number> {
    const { body } = await this.send('GET', '/admin/v1/metrics');
    const line = new RegExp(`^${name} (\\S+)$`, 'm').exec(body.toString('utf8'));
    if (line === null) throw new Error(`no metric ${name}`);
    return Number(line[1]);
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

function pathOf(bucket: string, key: string): string {
  return `/buckets/${bucket}/keys/${key}`;
}
