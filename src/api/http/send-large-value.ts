/** A value that is kept in chunks as a response: sent as fast as the peer takes it, never held whole. */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import { type KvError, KvFailure, type LargeRead, type LargeValues } from '../../kv/index.ts';
import type { Content } from '../../wire/index.ts';
import { byteRangeOf } from './byte-range.ts';
import { sendError } from './error-response.ts';
import { sendPage } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { partHead } from './object-headers.ts';
import { type BucketRoute, linkStyleOf } from './route.ts';

type LargeRequest = Pick<HttpRequest<BucketRoute>, 'exchange' | 'services' | 'route' | 'headers'>;

const damaged: KvError = { code: 'storage', reason: 'the manifest of the value is damaged' };

/** `headers`: all but those that tell of the length. */
export function sendLargeValue(
  { exchange, services, headers: asked }: LargeRequest,
  status: 200 | 201,
  headers: string[],
  manifest: Buffer,
): void {
  const { largeValues, tasks } = services;
  const length = largeValues?.lengthOf(manifest);
  if (largeValues === undefined || length === undefined) {
    sendError(exchange, damaged);
    return;
  }
  headers.push('Accept-Ranges', 'bytes');
  // `If-Range` would need a comparison of validators that may be left out, and the whole be sent.
  const wanted = status === 200 && asked.ifRange === undefined ? asked.range : undefined;
  const range = wanted === undefined ? undefined : byteRangeOf(wanted, length);
  if (range === 'unsatisfiable') {
    sendPage(exchange, 416, 'Content-Range', `bytes */${length}`);
    return;
  }
  if (range !== undefined) headers.push('Content-Range', `bytes ${range.from}-${range.to - 1}/${length}`);
  const sent = range === undefined ? length : range.to - range.from;
  headers.push('Content-Length', String(sent));
  const shown = range === undefined ? status : 206;
  if (exchange.method === 'HEAD') {
    exchange.start(shown, headers);
    exchange.end();
    return;
  }
  const read = largeValues.read(manifest, range);
  if ('code' in read) {
    sendError(exchange, read);
    return;
  }
  tasks.spawn('large get', () => sendChunks(exchange, read, () => exchange.start(shown, headers)));
}

/** The first chunk is read before anything is said: until then a failure is an answer like another. */
async function sendChunks(exchange: HttpExchange, read: LargeRead, start: () => void): Promise<void> {
  let hasBegun = false;
  const begin = (): void => {
    if (!hasBegun) start();
    hasBegun = true;
  };
  try {
    for await (const chunk of read.chunks) {
      begin();
      if (!exchange.write(chunk)) await exchange.drained();
      if (exchange.signal.aborted) return;
    }
  } catch (error) {
    if (!(error instanceof KvFailure)) throw error;
    if (hasBegun) exchange.abort();
    else sendError(exchange, error.error);
    return;
  }
  begin();
  exchange.end();
}

/** The parts one after the other, each as it is read. */
export function sendLargeSiblings(
  { exchange, services, route }: LargeRequest,
  status: 201 | 300,
  headers: string[],
  contents: readonly Content[],
  boundary: string,
): void {
  const { largeValues, tasks } = services;
  if (exchange.method === 'HEAD') {
    exchange.start(status, headers);
    exchange.end();
    return;
  }
  tasks.spawn('large siblings', async () => {
    exchange.start(status, headers);
    for (const content of contents) {
      const head = partHead(content, route.bucket, linkStyleOf(route.style));
      exchange.write(Buffer.from(`\r\n--${boundary}\r\n${head}\r\n`, 'latin1'));
      if (!(await sendPart(exchange, largeValues, content))) {
        exchange.abort();
        return;
      }
    }
    exchange.write(Buffer.from(`\r\n--${boundary}--\r\n`, 'latin1'));
    exchange.end();
  });
}

/** False: it cannot be completed. */
async function sendPart(
  exchange: HttpExchange,
  largeValues: LargeValues | undefined,
  { manifest, value }: Content,
): Promise<boolean> {
  if (manifest === undefined) {
    if (!exchange.write(value)) await exchange.drained();
    return true;
  }
  const read = largeValues?.read(manifest) ?? damaged;
  if ('code' in read) return false;
  try {
    for await (const chunk of read.chunks) {
      if (!exchange.write(chunk)) await exchange.drained();
      if (exchange.signal.aborted) return false;
    }
    return true;
  } catch (error) {
    if (error instanceof KvFailure) return false;
    throw error;
  }
}
