/** A Protocol Buffers connection that pipelines: replies come in the order of the requests. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type ByteString, bytesOfText, textOfBytes } from '../../src/stdx/index.ts';
import {
  decodeContent,
  decodeMessage,
  encodeContent,
  encodeFrame,
  FrameReader,
  rpbDelReq,
  rpbDelResp,
  rpbErrorResp,
  rpbGetReq,
  rpbGetResp,
  rpbPingReq,
  rpbPingResp,
  rpbPutReq,
  rpbPutResp,
  rpbSetBucketReq,
  rpbSetBucketResp,
} from '../../src/wire/index.ts';

const frameBytesMax = 128 * 1024 * 1024;

/** The node closed the connection, or died, before it answered. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
}

/** An `RpbErrorResp`. */
export class ErrorReply extends Error {
  override readonly name = 'ErrorReply';
}

export interface Reply {
  readonly code: number;
  readonly body: Buffer;
}

export interface Found {
  /** Of each sibling that is no tombstone. Empty: not found. */
  readonly values: readonly Buffer[];
  readonly context: Buffer | undefined;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

export class FrameConnection implements Disposable {
  readonly socket: Socket;
  readonly #frames = new FrameReader(frameBytesMax);
  readonly #waiting: Waiting[] = [];
  #isLost = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#lost());
  }

  static connect(port: number, host = '127.0.0.1'): Promise<FrameConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, noDelay: true });
      socket.once('error', (error) => reject(new ConnectionLostError(error.message)));
      socket.once('connect', () => resolve(new FrameConnection(socket)));
    });
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  /** Requests that have no answer yet. */
  get pending(): number {
    return this.#waiting.length;
  }

  /** Rejects with `ErrorReply` or `ConnectionLostError`. */
  ask(frame: Buffer): Promise<Reply> {
    if (this.#isLost) return Promise.reject(new ConnectionLostError('closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.socket.write(frame);
    });
  }

  async ping(): Promise<void> {
    assert.equal((await this.ask(pingFrame)).code, rpbPingResp.code);
  }

  async put(bucket: string, key: string, value: Buffer, context?: Buffer): Promise<void> {
    const { code } = await this.ask(putFrame(bucket, key, value, context));
    assert.equal(code, rpbPutResp.code);
  }

  async get(bucket: string, key: string): Promise<Found> {
    const { code, body } = await this.ask(getFrame(bucket, key));
    assert.equal(code, rpbGetResp.code);
    const { content, vclock } = decodeMessage(rpbGetResp, body);
    const live = content.map((bytes) => decodeContent(bytes)).filter(({ deleted }) => !deleted);
    return {
      values: live.map(({ value }) => value),
      context: vclock === undefined ? undefined : Buffer.from(vclock),
    };
  }

  async delete(bucket: string, key: string, context?: Buffer): Promise<void> {
    const names = { bucket: bytesOfText(bucket), key: bytesOfText(key) };
    const vclock = context === undefined ? {} : { vclock: context };
    const { code } = await this.ask(encodeFrame(rpbDelReq, { ...names, ...vclock }));
    assert.equal(code, rpbDelResp.code);
  }

  async setBucket(
    bucket: string,
    props: { n_val?: number; allow_mult?: boolean; backend?: ByteString },
  ): Promise<void> {
    const { code } = await this.ask(encodeFrame(rpbSetBucketReq, { bucket: bytesOfText(bucket), props }));
    assert.equal(code, rpbSetBucketResp.code);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
    this.#lost();
  }

  #received(chunk: Buffer): void {
    this.#frames.feed(chunk);
    while (this.#frames.next()) {
      const { code, bytes, start, end, isLasting } = this.#frames;
      const view = bytes.subarray(start, end);
      const body = isLasting ? view : Buffer.from(view);
      const waiting = this.#waiting.shift();
      assert.ok(waiting !== undefined, `a reply with code ${code} that nobody asked for`);
      if (code === rpbErrorResp.code) {
        waiting.reject(new ErrorReply(textOfBytes(decodeMessage(rpbErrorResp, body).errmsg)));
      } else waiting.resolve({ code, body });
    }
    this.#frames.retain();
  }

  #lost(): void {
    this.#isLost = true;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(new ConnectionLostError('closed'));
  }
}

export const pingFrame: Buffer = encodeFrame(rpbPingReq, {});

export function getFrame(bucket: string, key: string): Buffer {
  return encodeFrame(rpbGetReq, { bucket: bytesOfText(bucket), key: bytesOfText(key) });
}

export function putFrame(bucket: string, key: string, value: Buffer, context?: Buffer): Buffer {
  const content = encodeContent({ value, links: [], userMeta: [], indexes: [], deleted: false });
  const names = { bucket: bytesOfText(bucket), key: bytesOfText(key) };
  return encodeFrame(rpbPutReq, { ...names, content, ...(context === undefined ? {} : { vclock: context }) });
}
