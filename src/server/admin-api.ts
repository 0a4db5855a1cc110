/**
 * Administration over HTTP, under `/admin/v1/`: `GET status`, `GET config`, `GET metrics`, `POST stop`.
 *
 * Until security is configured, being on the same machine is the permission. A web browser on that machine
 * runs other people's programs, so what a page could send is refused: requests with an `Origin` (any POST
 * from a page), and those whose `Host` is a name that somebody could have pointed at this machine.
 */
import { Buffer } from 'node:buffer';
import { isLoopback } from '../api/http/index.ts';
import type { HttpExchange, HttpHandler, Tasks } from '../environment/index.ts';
import type { MetricsPage } from './prometheus-text.ts';

export interface AdminActions {
  status(): unknown;
  /** Key → canonical text of every value of the configuration. */
  configuration(): unknown;
  metrics(): Promise<MetricsPage>;
  /** Begins to stop; returns at once, with what to answer. The answer still leaves. */
  stop(): unknown;
}

interface AdminRoute {
  readonly method: 'GET' | 'POST';
  answer(exchange: HttpExchange): void;
}

const prefix = '/admin/v1/';

export function adminHandler(actions: AdminActions, tasks: Tasks): HttpHandler {
  const routes: ReadonlyMap<string, AdminRoute> = new Map<string, AdminRoute>([
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
  return (exchange) => {
    const refusal = refusalOf(exchange);
    if (refusal !== undefined) return respondError(exchange, 403, refusal);
    const path = exchange.target.split('?', 1)[0]!;
    const route = path.startsWith(prefix) ? routes.get(path.slice(prefix.length)) : undefined;
    if (route === undefined) return respondError(exchange, 404, 'no such administrative resource');
    const isRead = exchange.method === 'GET' || exchange.method === 'HEAD';
    if (isRead !== (route.method === 'GET') || (!isRead && exchange.method !== route.method)) {
      const allow = route.method === 'GET' ? 'GET, HEAD' : route.method;
      return respondError(exchange, 405, 'method not allowed', ['Allow', allow]);
    }
    route.answer(exchange);
  };
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

function respondError(exchange: HttpExchange, status: number, error: string, headers: string[] = []): void {
  respondJson(exchange, status, { error }, headers);
}
