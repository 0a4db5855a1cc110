/**
 * Loaded before a stock client's test suite (`node --import`): gives the platform what it had when the suite
 * was written, and leads its sockets to the started node. The suite and the client stay as they are.
 *
 * - The suites say 8087 and 8098 of this machine: these two are other ports here, so that nothing else that
 *   listens on them is met. Addresses of other machines and ports are left alone.
 * - `http.request` copied inherited properties, such as the accessors by which riak-js gives path and headers.
 * - `OutgoingMessage.prototype._headers` existed.
 * - `http.Agent.prototype.createSocket` returned its socket: nodiak's agent counts on it.
 */
import http from 'node:http';
import net from 'node:net';

const ports = new Map([
  [8087, Number(process.env.SUITE_PROTOBUF_PORT)],
  [8098, Number(process.env.SUITE_HTTP_PORT)],
]);
const here: ReadonlySet<unknown> = new Set([undefined, null, 'localhost', '127.0.0.1']);

interface Target {
  readonly port?: number | string;
  readonly host?: string | null;
}

function led(target: Target): Target {
  const port = ports.get(Number(target.port));
  return port === undefined || !here.has(target.host) ? target : { ...target, port, host: '127.0.0.1' };
}

type Method = (this: unknown, ...args: unknown[]) => unknown;

function leadSockets(): void {
  const prototype = net.Socket.prototype as unknown as { connect: Method };
  const { connect } = prototype;
  prototype.connect = function (...args) {
    const [first, second] = args;
    // `net.connect` hands over its arguments as one list.
    if (Array.isArray(first)) first[0] = led(first[0] as Target);
    else if (typeof first === 'object' && first !== null) args[0] = led(first as Target);
    else if (typeof second === 'string') {
      const { port, host } = led({ port: first as number, host: second });
      args.splice(0, 2, port, host);
    } else args[0] = led({ port: first as number }).port;
    return connect.apply(this, args);
  };
}

function restoreRequest(): void {
  const { request } = http;
  http.request = ((options: http.RequestOptions, ...rest: [(incoming: http.IncomingMessage) => void]) => {
    if (typeof options !== 'object' || options instanceof URL) return request(options, ...rest);
    const { method, path, headers } = options;
    return request({ ...options, method, path, headers } as http.RequestOptions, ...rest);
  }) as typeof http.request;
}

function restoreHeaders(): void {
  if ('_headers' in http.OutgoingMessage.prototype) return;
  Object.defineProperty(http.OutgoingMessage.prototype, '_headers', {
    get(this: http.OutgoingMessage) {
      return this.getHeaders();
    },
  });
}

function restoreAgent(): void {
  type Created = (error: Error | null, socket: net.Socket) => void;
  type Request = { onSocket(socket: net.Socket): void };
  type CreateSocket = (this: unknown, request: Request, options: object, created?: Created) => unknown;
  const prototype = http.Agent.prototype as unknown as { createSocket: CreateSocket };
  const { createSocket } = prototype;
  prototype.createSocket = function (request, options, created) {
    if (created !== undefined) return createSocket.call(this, request, options, created);
    let socket: net.Socket | undefined;
    createSocket.call(this, request, options, (error, made) => {
      if (error !== null) throw error;
      socket = made;
      request.onSocket(made);
    });
    return socket;
  };
}

leadSockets();
restoreRequest();
restoreHeaders();
restoreAgent();
