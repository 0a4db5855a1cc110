/**
 * The protocols that the load generator speaks, made by hand so that it spends little itself:
 * requests are copies of a template in which the key's digits are written; replies are only counted.
 */
import { Buffer } from 'node:buffer';

export type Operation = 'get' | 'put';
export type ProtocolName = 'pb' | 'http' | 'redis' | 'etcd' | 'nats';

/** Keys are `k` and ten digits. */
const keyLength = 11;
export const bucketName = 'bench';

export interface Protocol {
  /** What each connection says first, if anything. It is not answered. */
  greeting?(client: number): Buffer;
  /** A request of one connection, whose key is to be written at `keyOffset`. */
  template(
    operation: Operation,
    value: Buffer,
    client: number,
  ): { readonly request: Buffer; readonly keyOffset: number };
  /**
   * The end of the reply that begins at `start`, or -1 if it is not there as a whole. A reply that is
   * not a success throws: a benchmark of errors would be fast.
   */
  replyEnd(bytes: Buffer, start: number, end: number, operation: Operation): number;
}

export function writeKey(request: Buffer, keyOffset: number, key: number): void {
  let rest = key;
  for (let at = keyOffset + keyLength - 1; at > keyOffset; at -= 1) {
    request[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

export const keyPlaceholder = `k${'0'.repeat(keyLength - 1)}`;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return bytes;
}

function field(tag: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag, ...varint(value.length)]), value]);
}

const codeError = 0;
const codeGet = 9;
const codeGetReply = 10;
const codePut = 11;
const codePutReply = 12;

export const pb: Protocol = {
  template(operation, value) {
    const name = [field(0x0a, Buffer.from(bucketName)), field(0x12, Buffer.from(keyPlaceholder))];
    const content = field(0x22, Buffer.concat([field(0x0a, value), field(0x12, Buffer.from('text/plain'))]));
    const body = Buffer.concat(operation === 'get' ? name : [...name, content]);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length + 1);
    head[4] = operation === 'get' ? codeGet : codePut;
    const request = Buffer.concat([head, body]);
    return { request, keyOffset: request.indexOf(keyPlaceholder) };
  },
  replyEnd(bytes, start, end, operation) {
    if (end - start < 5) return -1;
    const size = bytes.readUInt32BE(start);
    if (end - start < 4 + size) return -1;
    const code = bytes[start + 4];
    if (code !== (operation === 'get' ? codeGetReply : codePutReply) || (operation === 'get' && size === 1)) {
      const text = bytes.toString('latin1', start + 5, start + 4 + size);
      throw new Error(
        code === codeError ? `error reply: ${text}` : `unexpected reply ${code} of ${size} bytes`,
      );
    }
    return start + 4 + size;
  },
};

const headEnd = Buffer.from('\r\n\r\n');
const contentLength = Buffer.from('ontent-Length: ');

export const http: Protocol = {
  template(operation, value) {
    const path = `/buckets/${bucketName}/keys/${keyPlaceholder}`;
    const head =
      operation === 'get'
        ? `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
        : `PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: ${value.length}\r\n\r\n`;
    const request = Buffer.concat([Buffer.from(head), operation === 'get' ? Buffer.alloc(0) : value]);
    return { request, keyOffset: request.indexOf(keyPlaceholder) };
  },
  replyEnd(bytes, start, end, operation) {
    const head = bytes.indexOf(headEnd, start);
    if (head < 0 || head + 4 > end) return -1;
    const status = bytes.toString('latin1', start + 9, start + 12);
    if (status !== (operation === 'get' ? '200' : '204')) throw new Error(`HTTP status ${status}`);
    if (status === '204') return head + 4;
    const lengthAt = bytes.indexOf(contentLength, start);
    if (lengthAt < 0 || lengthAt > head) throw new Error('a reply without Content-Length');
    const digits = lengthAt + contentLength.length;
    const size = Number.parseInt(bytes.toString('latin1', digits, digits + 10), 10);
    const replyEnd = head + 4 + size;
    return replyEnd > end ? -1 : replyEnd;
  },
};

export const redis: Protocol = {
  template(operation, value) {
    const words: Buffer[] = operation === 'get' ? [Buffer.from('GET')] : [Buffer.from('SET')];
    words.push(Buffer.from(keyPlaceholder));
    if (operation === 'put') words.push(value);
    const parts = words.map((word) =>
      Buffer.concat([Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]),
    );
    const request = Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]);
    return { request, keyOffset: request.indexOf(keyPlaceholder) };
  },
  replyEnd(bytes, start, end, operation) {
    const line = bytes.indexOf(0x0a, start);
    if (line < 0 || line >= end) return -1;
    const kind = bytes[start];
    if (operation === 'put') {
      if (kind !== 0x2b) throw new Error(bytes.toString('latin1', start, line));
      return line + 1;
    }
    const size = Number.parseInt(bytes.toString('latin1', start + 1, line), 10);
    if (kind !== 0x24 || size < 0)
      throw new Error(`unexpected reply ${bytes.toString('latin1', start, line)}`);
    const replyEnd = line + 1 + size + 2;
    return replyEnd > end ? -1 : replyEnd;
  },
};
