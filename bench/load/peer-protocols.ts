/** What servers of others speak, as far as a load generator needs it: etcd's JSON gateway, and JetStream's key/value store. */
import { Buffer } from 'node:buffer';
import { keyPlaceholder, type Protocol } from './protocol.ts';

export const jetStreamBucket = 'bench';

const headEnd = Buffer.from('\r\n\r\n');
const lineEnd = Buffer.from('\r\n');
const contentLength = Buffer.from('Content-Length: ');

/** The end of an HTTP response with a length, and where its body begins; undefined: not there as a whole. */
function responseAt(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly body: number; readonly end: number } | undefined {
  const head = bytes.indexOf(headEnd, start);
  if (head < 0 || head + 4 > end) return undefined;
  const status = bytes.toString('latin1', start + 9, start + 12);
  if (status !== '200') throw new Error(`HTTP status ${status}`);
  const lengthAt = bytes.indexOf(contentLength, start);
  if (lengthAt < 0 || lengthAt > head) throw new Error('a reply without Content-Length');
  const digits = lengthAt + contentLength.length;
  const size = Number.parseInt(bytes.toString('latin1', digits, digits + 10), 10);
  const body = head + 4;
  return body + size > end ? undefined : { body, end: body + size };
}

/** A key of digits is base64 as it stands, if it is made a multiple of four. */
const base64Filling = 'A';
const foundKeys = Buffer.from('"kvs"');

export const etcd: Protocol = {
  template(operation, value) {
    const key = `${keyPlaceholder}${base64Filling}`;
    const body = operation === 'get' ? { key } : { key, value: value.toString('base64') };
    const text = JSON.stringify(body);
    const path = operation === 'get' ? '/v3/kv/range' : '/v3/kv/put';
    const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n`;
    const request = Buffer.from(head + text);
    return { request, keyOffset: request.indexOf(keyPlaceholder) };
  },
  replyEnd(bytes, start, end, operation) {
    const response = responseAt(bytes, start, end);
    if (response === undefined) return -1;
    if (operation === 'get') {
      const found = bytes.indexOf(foundKeys, response.body);
      if (found < 0 || found > response.end) throw new Error('a key is missing');
    }
    return response.end;
  },
};

const inboxPrefix = '_INBOX.bench.';
const messageWord = Buffer.from('MSG ');
const headedMessageWord = Buffer.from('HMSG ');
/** What a server says that is no reply. */
const asides = ['INFO', 'PING', 'PONG', '+OK'];

function startsWith(bytes: Buffer, start: number, word: Buffer): boolean {
  return bytes.compare(word, 0, word.length, start, Math.min(bytes.length, start + word.length)) === 0;
}

export const nats: Protocol = {
  greeting(client) {
    const options = { verbose: false, pedantic: false, headers: true, no_responders: true };
    return Buffer.from(`CONNECT ${JSON.stringify(options)}\r\nSUB ${inboxPrefix}${client} 1\r\n`);
  },
  template(operation, value, client) {
    const inbox = `${inboxPrefix}${client}`;
    const subject = `$KV.${jetStreamBucket}.${keyPlaceholder}`;
    const asked = operation === 'get' ? `$JS.API.DIRECT.GET.KV_${jetStreamBucket}.${subject}` : subject;
    const payload = operation === 'get' ? Buffer.alloc(0) : value;
    const head = Buffer.from(`PUB ${asked} ${inbox} ${payload.length}\r\n`);
    const request = Buffer.concat([head, payload, lineEnd]);
    return { request, keyOffset: request.indexOf(keyPlaceholder) };
  },
  replyEnd(bytes, start, end, operation) {
    const lineAt = bytes.indexOf(lineEnd, start);
    if (lineAt < 0 || lineAt + 2 > end) return -1;
    if (asides.some((word) => startsWith(bytes, start, Buffer.from(word)))) {
      return nats.replyEnd(bytes, lineAt + 2, end, operation);
    }
    const isMessage = startsWith(bytes, start, messageWord);
    const hasHead = startsWith(bytes, start, headedMessageWord);
    const line = bytes.toString('latin1', start, lineAt);
    if (!isMessage && !hasHead) throw new Error(line);
    const replyEnd = lineAt + 2 + Number.parseInt(line.slice(line.lastIndexOf(' ') + 1), 10) + 2;
    if (replyEnd > end) return -1;
    // An answer to a put is JSON without a head; one to a get has a head, whose status is empty if there is a value.
    const text = bytes.toString('latin1', lineAt + 2, Math.min(replyEnd, lineAt + 80));
    const isGood =
      operation === 'put' ? isMessage && !text.includes('"error"') : text.startsWith('NATS/1.0\r\n');
    if (!isGood) throw new Error(text);
    return replyEnd;
  },
};
