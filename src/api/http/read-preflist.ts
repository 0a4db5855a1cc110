/** Which vnodes answer for a key. Riak's form: the partition is the first place of its range on the ring of 2^160. */
import { Buffer } from 'node:buffer';
import type { PreflistEntry } from '../../kv/index.ts';
import { sendError } from './error-response.ts';
import { sendPage, serverHeader, varyEncoding } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import type { Route } from './route.ts';

export type PreflistRoute = Extract<Route, { readonly kind: 'preflist' }>;

const hashBits = 160n;

export function readPreflist({ exchange, services, route }: HttpRequest<PreflistRoute>): void {
  const { preflists } = services;
  if (preflists === undefined) {
    sendPage(exchange, 404);
    return;
  }
  const entries = preflists.of(route);
  if ('code' in entries) {
    sendError(exchange, entries);
    return;
  }
  const shown = entries.map((entry) => printed(entry, preflists.ringSize)).join(',');
  const headers = ['Vary', varyEncoding, 'Server', serverHeader, 'Content-Type', 'application/json'];
  exchange.respond(200, headers, Buffer.from(`{"preflist":[${shown}]}`));
}

/** By hand: the number has more digits than JavaScript's have. */
function printed({ partition, node, primary }: PreflistEntry, ringSize: number): string {
  const index = (BigInt(partition) << hashBits) / BigInt(ringSize);
  return `{"partition":${index},"node":${JSON.stringify(node)},"primary":${primary}}`;
}
