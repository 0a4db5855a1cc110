/**
 * Administration over HTTP, under `/admin/v1/`: `GET status`, `GET config`, `GET metrics`, `POST stop`, and all of
 * the cluster (cluster-admin/cluster-routes.ts). An error is `{"error", "code"}`, with `"reasons"` where there are
 * several.
 *
 * Until security is configured, being on the same machine is the permission. A web browser on that machine
 * runs other people's programs, so what a page could send is refused: requests with an `Origin` (any POST
 * from a page), and those whose `Host` is a name that somebody could have pointed at this machine.
 */
import { Buffer } from 'node:buffer';
import { isLoopback } from '../api/http/index.ts';
import type { HttpExchange, HttpHandler, Tasks } from '../environment/index.ts';
import { unreachable } from '../stdx/index.ts';
import { AdminFailure } from './cluster-admin/admin-failure.ts';
import { bodyBytesMax } from './cluster-admin/change-body.ts';
import type { ClusterRoute } from './cluster-admin/cluster-routes.ts';
import type { MetricsPage } from './prometheus-text.ts';

export interface AdminActions {
  status(): unknown;
  /** Key → canonical text of every value of the configuration. */
  configuration(): unknown;
  metrics(): Promise<MetricsPage>;
  /** Begins to stop; returns at once, with what to answer. The answer still leaves. */
  stop(): unknown;
  /** By path below `/admin/v1/`. */
  readonly cluster: ReadonlyMap<string, ClusterRoute>;
}

interface AdminRoute {
  readonly method: 'GET' | 'POST';
  answer(exchange: HttpExchange): void;
}

const prefix = '/admin/v1/';

export function adminHandler(actions: AdminActions, tasks: Tasks): HttpHandler {
  const all = new Map<string, AdminRoute>([
    ['status', { method: 'GET', answer: (exchange) => respondJson(exchange, 200, actions.status()) }],
    ['config', { method: 'GET', answer: (exchange) => respondJson(exchange, 200, actions.configuration()) }],
    [
      'metrics',
      {
        method: 'GET',
        answer: (exchange) =>
          tasks.spawn('admin-metrics', async () => {
            const { contentType, text } = await actions.metrics();
            exchange.respond(200, ['Content-Type', contentType], Buffer.from(text, 'utf8'));
          }),
      },
    ],
    [
      'stop',
      {
        method: 'POST',
        answer: (exchange) => respondJson(exchange, 202, actions.stop()),
      },
    ],
  ]);
  for (const [path, route] of actions.cluster) {
    all.set(path, {
      method: route.method,
      answer: (exchange) => tasks.spawn(`admin ${path}`, () => answerCluster(exchange, route)),
    });
  }
  return (exchange) => {
    const refusal = refusalOf(exchange);
    if (refusal !== undefined) return respondError(exchange, 403, 'forbidden', refusal);
    const path = exchange.target.split('?', 1)[0]!;
    const route = path.startsWith(prefix) ? all.get(path.slice(prefix.length)) : undefined;
    if (route === undefined) {
      return respondError(exchange, 404, 'not_found', 'no such administrative resource');
    }
    const isRead = exchange.method === 'GET' || exchange.method === 'HEAD';
    if (isRead !== (route.method === 'GET') || (!isRead && exchange.method !== route.method)) {
      const allow = route.method === 'GET' ? 'GET, HEAD' : route.method;
      return respondError(exchange, 405, 'bad_method', 'method not allowed', { headers: ['Allow', allow] });
    }
    route.answer(exchange);
  };
}

async function answerCluster(exchange: HttpExchange, route: ClusterRoute): Promise<void> {
  try {
    respondJson(exchange, 200, await clusterAnswer(exchange, route));
  } catch (error) {
    if (error instanceof GoneError) return;
    if (!(error instanceof AdminFailure)) throw error;
    respondError(exchange, error.status, error.code, error.message, { reasons: error.reasons });
  }
}

/** The caller has gone. */
class GoneError extends Error {
  override readonly name = 'GoneError';
}

async function clusterAnswer(exchange: HttpExchange, route: ClusterRoute): Promise<unknown> {
  switch (route.method) {
    case 'GET': {
      const question = exchange.target.indexOf('?');
      return route.answer(new URLSearchParams(question < 0 ? '' : exchange.target.slice(question)));
    }
    case 'POST':
      return route.answer(await bodyOf(exchange));
    default:
      return unreachable(route);
  }
}

function bodyOf(exchange: HttpExchange): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    exchange.readBody(bodyBytesMax, (body) => {
      switch (body.kind) {
        case 'complete':
          resolve(body.bytes);
          break;
        case 'too_large':
          reject(new AdminFailure(413, 'too_large', `a body has at most ${bodyBytesMax} bytes`));
          break;
        case 'overload':
          reject(new AdminFailure(503, 'overload', 'too many bodies are arriving'));
          break;
        case 'unsupported_coding':
          reject(new AdminFailure(400, 'bad_request', 'the body has a coding that is not known'));
          break;
        case 'aborted':
          reject(new GoneError());
          break;
        default:
          unreachable(body);
      }
    });
  });
}

function refusalOf(exchange: HttpExchange): string | undefined {
  if (!isLoopback(exchange.remote.host)) return 'administration is for programs on this machine only';
  if (headerOf(exchange, 'origin') !== undefined) return 'administration is not for web pages';
  const host = headerOf(exchange, 'host') ?? '';
  if (!isLocalName(host)) return `administration does not answer to the name ${host}; use an IP address`;
  return undefined;
}

/** `localhost` or an IP address, with or without a port: no name that a stranger's DNS could answer for. */
function isLocalName(host: string): boolean {
  return /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d+)?$/i.test(host);
}

function headerOf(exchange: HttpExchange, name: string): string | undefined {
  const { headers } = exchange;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]!.toLowerCase() === name) return headers[i + 1];
  }
  return undefined;
}

function respondJson(exchange: HttpExchange, status: number, value: unknown, headers: string[] = []): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
  const cache = ['Cache-Control', 'no-store'];
  exchange.respond(status, ['Content-Type', 'application/json', ...cache, ...headers], body);
}

function respondError(
  exchange: HttpExchange,
  status: number,
  code: string,
  error: string,
  more: { readonly reasons?: readonly string[]; readonly headers?: string[] } = {},
): void {
  const { reasons = [], headers = [] } = more;
  respondJson(exchange, status, { error, code, ...(reasons.length === 0 ? {} : { reasons }) }, headers);
}
