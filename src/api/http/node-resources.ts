/** The node itself: `/ping`, `/stats`, and `/`, by which clients find the rest. */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import { negotiate } from './content-negotiation.ts';
import { sendPage, serverHeader, varyBoth } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { Route } from './route.ts';

const json = 'application/json';

/**
 * Riak's names of its resources and where they begin. Clients decide by these names which URLs to use and
 * whether bucket types exist, and some refuse a server that lacks one; so all that they read are here,
 * also those that answer 501 yet.
 */
const resources: readonly (readonly [name: string, path: string])[] = [
  ['riak_kv_wm_bucket_type', '/types'],
  ['riak_kv_wm_buckets', '/buckets'],
  ['riak_kv_wm_counter', '/buckets'],
  ['riak_kv_wm_crdt', '/types'],
  ['riak_kv_wm_index', '/buckets'],
  ['riak_kv_wm_keylist', '/buckets'],
  ['riak_kv_wm_link_walker', '/riak'],
  ['riak_kv_wm_mapred', '/mapred'],
  ['riak_kv_wm_object', '/riak'],
  ['riak_kv_wm_ping', '/ping'],
  ['riak_kv_wm_props', '/buckets'],
  ['riak_kv_wm_stats', '/stats'],
];

export function ping(exchange: HttpExchange): void {
  exchange.respond(200, ['Server', serverHeader, 'Content-Type', 'text/html'], Buffer.from('OK'));
}

export function readStats({ exchange, services, headers }: HttpRequest<Route>): void {
  const type = negotiate(headers.accept, [json, 'text/plain']);
  if (type === undefined) {
    sendPage(exchange, 406);
    return;
  }
  const text = JSON.stringify(services.stats(), undefined, type === json ? undefined : 2);
  const head = ['Vary', varyBoth, 'Server', serverHeader, 'Content-Type', type];
  exchange.respond(200, head, Buffer.from(text));
}

export function readIndex({ exchange, headers }: HttpRequest<Route>): void {
  const type = negotiate(headers.accept, ['text/html', json]);
  if (type === undefined) {
    sendPage(exchange, 406);
    return;
  }
  const link = resources.map(([name, path]) => `<${path}>; rel="${name}"`).join(',');
  const body = type === json ? JSON.stringify(Object.fromEntries(resources)) : indexPage();
  const head = ['Vary', 'Accept', 'Server', serverHeader, 'Link', link, 'Content-Type', type];
  exchange.respond(200, head, Buffer.from(body));
}

function indexPage(): string {
  const items = resources.map(([name, path]) => `<li><a href="${path}">${name}</a></li>`).join('');
  return `<html><body><ul>${items}</ul></body></html>\n`;
}
