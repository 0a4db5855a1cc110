/** Answers that many resources give. Header values here are our own or already safe (`header-text.ts`). */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';

export const serverHeader = 'Hale';
export const varyEncoding = 'Accept-Encoding';
export const varyBoth = 'Accept, Accept-Encoding';

const titles: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [404, 'Not Found'],
  [405, 'Method Not Allowed'],
  [406, 'Not Acceptable'],
  [409, 'Conflict'],
  [412, 'Precondition Failed'],
  [415, 'Unsupported Media Type'],
  [416, 'Range Not Satisfiable'],
  [501, 'Not Implemented'],
]);

export function sendText(exchange: HttpExchange, status: number, text: string, ...more: string[]): void {
  more.push('Server', serverHeader, 'Content-Type', 'text/plain');
  exchange.respond(status, more, Buffer.from(text, isLatin1Safe(text) ? 'latin1' : 'utf8'));
}

/** Seconds. A node is well again that soon after a rush, and who asks earlier is most likely refused again. */
const retryAfter = '1';

/** Refused without effect: the node has too much to do just now. */
export function sendOverload(exchange: HttpExchange): void {
  sendText(exchange, 503, 'overload\n', 'Retry-After', retryAfter);
}

export function sendJson(exchange: HttpExchange, status: number, value: unknown): void {
  const headers = ['Vary', varyEncoding, 'Server', serverHeader, 'Content-Type', 'application/json'];
  exchange.respond(status, headers, Buffer.from(JSON.stringify(value)));
}

/** A status whose page says no more than its name. */
export function sendPage(exchange: HttpExchange, status: number, ...more: string[]): void {
  const title = titles.get(status) ?? 'Error';
  const page = `<html><head><title>${status} ${title}</title></head><body><h1>${title}</h1></body></html>\n`;
  exchange.respond(status, ['Server', serverHeader, ...more, 'Content-Type', 'text/html'], Buffer.from(page));
}

export function sendNoContent(exchange: HttpExchange, contentType: string): void {
  exchange.respond(204, ['Vary', varyEncoding, 'Server', serverHeader, 'Content-Type', contentType]);
}

export function sendMethodNotAllowed(exchange: HttpExchange, allowed: string): void {
  if (knownMethods.has(exchange.method)) sendPage(exchange, 405, 'Allow', allowed);
  else sendText(exchange, 501, `The server does not support the "${exchange.method}" method.\n`);
}

const knownMethods: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'CONNECT',
]);

/** Texts that quote a request hold its bytes as characters below U+0100; they go back as they came. */
function isLatin1Safe(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) if (text.charCodeAt(at) > 0xff) return false;
  return true;
}
