/**
 * Listings of keys and buckets. The buffered form is one JSON object, the streamed one many of them, one
 * behind the other. Neither is held in memory: a buffered answer that outgrows `bufferedBytesMax` leaves
 * in chunks, which a client cannot tell from one piece; only, it can then no longer turn into an error
 * object, and is cut off instead.
 *
 * Names are bytes, JSON is text: bytes that are not UTF-8 show as U+FFFD.
 */
import type { HttpExchange } from '../../environment/index.ts';
import { type KvError, KvFailure, type NameStream } from '../../kv/index.ts';
import { type ByteString, textOfBytes } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';
import { serverHeader, varyEncoding } from './http-response.ts';
import { PacedWriter } from './paced-writer.ts';

const bufferedBytesMax = 256 * 1024;

export interface Listing {
  readonly member: 'keys' | 'buckets';
  readonly names: NameStream;
  /** JSON of members that come before the names, such as `"props":{…}`; empty if none. */
  readonly preamble: string;
}

/** `{"keys":[…]}` */
export async function sendListing(exchange: HttpExchange, listing: Listing): Promise<void> {
  const writer = new PacedWriter(exchange, bufferedBytesMax, listingHeaders);
  const { preamble, member, names } = listing;
  let separator = '';
  writer.text(`{${preamble === '' ? '' : `${preamble},`}"${member}":[`);
  const failure = await forEachSlice(exchange, names, async (slice) => {
    writer.text(separator + jsonNames(slice));
    separator = ',';
    await writer.flushed();
  });
  if (failure === undefined) writer.finish(']}');
  else if (writer.begun) exchange.abort();
  else sendListingFailure(exchange, failure);
}

/** `{"keys":["a","b"]}{"keys":["c"]}{"keys":[]}` */
export async function streamListing(exchange: HttpExchange, listing: Listing): Promise<void> {
  const writer = new PacedWriter(exchange, 0, listingHeaders);
  const { preamble, member, names } = listing;
  writer.text(preamble === '' ? '' : `{${preamble}}`);
  const failure = await forEachSlice(exchange, names, async (slice) => {
    writer.text(`{"${member}":[${jsonNames(slice)}]}`);
    await writer.flushed();
  });
  if (failure === undefined) writer.finish(`{"${member}":[]}`);
  else if (writer.begun || failure.code === 'timeout') writer.finish(errorObject(failure));
  else sendListingFailure(exchange, failure);
}

/** Riak answers 200 to a listing that timed out, and its clients look for the member `error`. */
function sendListingFailure(exchange: HttpExchange, error: KvError): void {
  if (error.code !== 'timeout') {
    sendError(exchange, error);
    return;
  }
  const writer = new PacedWriter(exchange, bufferedBytesMax, listingHeaders);
  writer.finish(errorObject(error));
}

/** Undefined if all names were seen, or the peer has gone. */
async function forEachSlice(
  exchange: HttpExchange,
  names: NameStream,
  visit: (slice: readonly ByteString[]) => Promise<void>,
): Promise<KvError | undefined> {
  const { signal } = exchange;
  try {
    while (!signal.aborted) {
      const slice = await names.next();
      if (slice === undefined) return undefined;
      await visit(slice);
    }
    return undefined;
  } catch (error) {
    if (error instanceof KvFailure) return error.error;
    throw error;
  } finally {
    await names.close();
  }
}

function jsonNames(slice: readonly ByteString[]): string {
  let text = '';
  for (const name of slice) text += `${text === '' ? '' : ','}${JSON.stringify(textOfBytes(name))}`;
  return text;
}

function errorObject(error: KvError): string {
  return JSON.stringify({ error: error.code });
}

function listingHeaders(): string[] {
  return ['Vary', varyEncoding, 'Server', serverHeader, 'Content-Type', 'application/json'];
}
