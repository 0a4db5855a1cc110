/** A whole node in this process, in memory, with both APIs on real sockets. */
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { type Configuration, configurationWith } from '../../../src/config/index.ts';
import { NodeHttpServer, nodeEnvironment, openSandboxPool, silentLog } from '../../../src/runtime/index.ts';
import { type HaleNode, startNode } from '../../../src/server/index.ts';
import { encodeFrame, FrameReader, rpbMapRedReq } from '../../../src/wire/index.ts';

export interface JobNode extends AsyncDisposable {
  readonly node: HaleNode;
  readonly url: string;
  put(path: string, value: string | Uint8Array, headers?: Record<string, string>): Promise<void>;
  /** Of a job in JSON. */
  run(
    job: unknown,
    query?: string,
  ): Promise<{ readonly status: number; readonly body: string; readonly type: string }>;
  /** The results of a job that must succeed. */
  results(job: unknown): Promise<unknown>;
  /** Frames: code and body. */
  runFrame(
    request: Uint8Array,
    contentType: string,
  ): Promise<readonly { readonly code: number; readonly body: Buffer }[]>;
}

const anywhere = { host: '127.0.0.1', port: 0 };

export async function startJobNode(settings: Partial<Configuration> = {}): Promise<JobNode> {
  const environment = nodeEnvironment({
    log: silentLog,
    crash(activity, error) {
      throw new Error(`crash in ${activity}`, { cause: error });
    },
  });
  const configuration = configurationWith({
    storage_backend: 'memory',
    ring_size: 8,
    'listener.http.internal': anywhere,
    'listener.protobuf.internal': anywhere,
    'listener.cluster.internal': 'off',
    'javascript.map_pool_size': 1,
    ...settings,
  });
  const node = await startNode(configuration, {
    environment,
    version: '0.0.0',
    http: new NodeHttpServer(silentLog),
    openSandbox: openSandboxPool(silentLog),
  });
  const url = `http://127.0.0.1:${node.httpAddress!.port}`;
  const run: JobNode['run'] = async (job, query = '') => {
    const answer = await fetch(`${url}/mapred${query}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: typeof job === 'string' ? job : JSON.stringify(job),
    });
    return {
      status: answer.status,
      body: await answer.text(),
      type: answer.headers.get('content-type') ?? '',
    };
  };
  return {
    node,
    url,
    run,
    async put(path, value, headers = {}) {
      const body = typeof value === 'string' ? value : Buffer.from(value);
      const init = { method: 'PUT', headers: { 'Content-Type': 'text/plain', ...headers }, body };
      const answer = await fetch(`${url}${path}`, init);
      if (answer.status >= 300) throw new Error(`PUT ${path}: ${answer.status} ${await answer.text()}`);
    },
    async results(job) {
      const { status, body } = await run(job);
      if (status !== 200) throw new Error(`${status} ${body}`);
      return JSON.parse(body) as unknown;
    },
    runFrame: (request, contentType) => frames(node.protobufAddress!.port, request, contentType),
    async [Symbol.asyncDispose]() {
      await node.stop();
      await environment.close();
    },
  };
}

/** Until `done`, or an error. */
function frames(
  port: number,
  request: Uint8Array,
  contentType: string,
): Promise<readonly { readonly code: number; readonly body: Buffer }[]> {
  return new Promise((resolve, reject) => {
    const reader = new FrameReader(16 * 1024 * 1024);
    const seen: { code: number; body: Buffer }[] = [];
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', reject);
    socket.on('close', () => resolve(seen));
    socket.on('data', (chunk: Buffer) => {
      reader.feed(chunk);
      while (reader.next()) {
        const body = Buffer.from(reader.bytes.subarray(reader.start, reader.end));
        seen.push({ code: reader.code, body });
        if (reader.code === 0 || body.equals(Buffer.from([0x18, 1]))) socket.destroy();
      }
      reader.retain();
    });
    socket.write(
      encodeFrame(rpbMapRedReq, {
        request: Buffer.from(request),
        content_type: contentType as never,
      }),
    );
  });
}
