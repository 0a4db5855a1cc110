/** Values in pieces over Protocol Buffers, either way on a connection of their own, at the pace of the slower side. */
import { Buffer } from 'node:buffer';
import { assert, type ByteString } from '../../stdx/index.ts';
import {
  type Content,
  decodeContent,
  encodeFrame,
  haleStreamGetReq,
  haleStreamGetResp,
  haleStreamPieceReq,
  haleStreamPutReq,
  haleStreamPutResp,
} from '../../wire/index.ts';
import type { Deadline } from '../deadline.ts';
import { HaleError, isHaleError } from '../hale-error.ts';
import type {
  BucketName,
  ObjectName,
  PutOutcome,
  ReadValueOptions,
  StreamedValue,
  WriteValueOptions,
} from '../transport.ts';
import { type SourcePiece, SourcePieces, type ValueSource } from '../value-source.ts';
import type { ConnectionPool, Host, Lease } from './connection-pool.ts';
import { decodeReply } from './decode-reply.ts';
import { getFields, putFields } from './object-message.ts';
import { RemoteCursor } from './remote-cursor.ts';

/** Of a value in one request. */
const pieceBytesMax = 128 * 1024;
/** Pieces that are on their way, or that the node has and does not want yet. */
const piecesAhead = 4;
/** Batches held for a slow consumer; each is a piece. */
const batchesMax = 4;
/** Nodes that are asked to begin. */
const attemptsMax = 4;

/** How long is waited for a node, and for the source. */
export interface WriteTimes {
  readonly node: () => Deadline;
  readonly source: () => Deadline;
}

interface ValueBatch {
  /** With the first. */
  readonly head?: Omit<StreamedValue, 'pieces'> | undefined;
  readonly piece?: Buffer | undefined;
}

export async function readValue(
  pool: ConnectionPool,
  name: ObjectName,
  options: ReadValueOptions,
  time: { readonly deadline: () => Deadline; readonly timeout: number | undefined },
): Promise<StreamedValue | undefined> {
  const frame = getFrame(name, options, time.timeout);
  for (let attempt = 1; ; attempt += 1) {
    const cursor = new RemoteCursor(pool, {
      frame,
      decode: decodeBatch,
      deadline: time.deadline,
      batchesMax,
    });
    try {
      const first = await cursor.next();
      if (first?.head !== undefined) return { ...first.head, pieces: piecesOf(cursor) };
      await cursor.close();
      return undefined;
    } catch (error) {
      await cursor.close();
      // Nothing was handed out yet.
      if (!isHaleError(error, 'connection_lost') || attempt === attemptsMax) throw error;
    }
  }
}

function getFrame(name: ObjectName, options: ReadValueOptions, timeout: number | undefined): Buffer {
  const { range, vtag } = options;
  return encodeFrame(haleStreamGetReq, {
    ...getFields(name, options),
    timeout,
    vtag,
    from: range === undefined ? undefined : BigInt(range.from),
    to: range?.to === undefined ? undefined : BigInt(range.to),
  });
}

function decodeBatch(code: number, body: Buffer): { batch: ValueBatch | undefined; done: boolean } {
  // The body is lent: what it decodes to are views.
  const { piece, content, vclock, bytes, done } = decodeReply(haleStreamGetResp, code, Buffer.from(body));
  const isDone = done === true;
  if (piece !== undefined) return { batch: { piece }, done: isDone };
  if (vclock === undefined) return { batch: undefined, done: isDone };
  const object = { siblings: content.map((one) => decodeContent(one)), context: vclock };
  return {
    batch: { head: { object, bytes: bytes === undefined ? undefined : Number(bytes) } },
    done: isDone,
  };
}

function piecesOf(cursor: RemoteCursor<ValueBatch>): StreamedValue['pieces'] {
  return {
    next: async () => (await cursor.next())?.piece,
    close: () => cursor.close(),
  };
}

/** Reads the source once a node wants it: until then another node may be asked. */
export async function writeValue(
  pool: ConnectionPool,
  name: BucketName,
  key: ByteString | undefined,
  content: Content,
  source: ValueSource,
  options: WriteValueOptions,
  times: WriteTimes,
): Promise<PutOutcome> {
  const frame = encodeFrame(haleStreamPutReq, {
    ...putFields(name, key, content, options),
    bytes: options.length === undefined ? undefined : BigInt(options.length),
  });
  const avoid = new Set<Host>();
  for (;;) {
    const lease = await pool.acquire(times.node(), avoid);
    const upload = new RemoteUpload(lease, times);
    try {
      await upload.begin(frame);
    } catch (error) {
      upload.end();
      pool.release(lease);
      if (!(error instanceof HaleError)) throw error;
      if (error.code === 'connection_lost') pool.failed(lease.host, error);
      avoid.add(lease.host);
      const hasOthers = avoid.size < Math.min(attemptsMax, pool.hosts.length);
      if (!hasOthers || !error.retryable) throw error;
      continue;
    }
    try {
      return await upload.send(source);
    } finally {
      upload.end();
      pool.release(lease);
    }
  }
}

/** One value on its way to a node. */
class RemoteUpload {
  readonly #lease: Lease;
  readonly #times: WriteTimes;
  #unanswered = 0;
  /** The last piece has left: from then on the object may be stored. */
  #isSent = false;
  #outcome: PutOutcome | undefined;
  #error: HaleError | undefined;
  #notify: (() => void) | undefined;

  constructor(lease: Lease, times: WriteTimes) {
    this.#lease = lease;
    this.#times = times;
  }

  /** Resolves when the node wants the value. */
  begin(frame: Buffer): Promise<void> {
    this.#unanswered = 1;
    this.#lease.connection.send(frame, {
      kind: 'write',
      reply: (code, body) => this.#reply(code, body),
      failed: (error) => this.#fail(error),
    });
    return this.#until(() => this.#unanswered === 0);
  }

  async send(source: ValueSource): Promise<PutOutcome> {
    const pieces = new SourcePieces(source, pieceBytesMax);
    try {
      while (!this.#isSent) {
        const piece = await this.#next(pieces);
        this.#isSent = piece.isLast;
        this.#unanswered += 1;
        this.#lease.connection.sendMore(
          encodeFrame(haleStreamPieceReq, { piece: piece.bytes, last: piece.isLast ? true : undefined }),
        );
        await this.#until(() => piece.isLast || this.#unanswered < piecesAhead);
      }
      await this.#until(() => this.#outcome !== undefined);
    } finally {
      await pieces.close();
    }
    assert(this.#outcome !== undefined, 'waited for');
    return this.#outcome;
  }

  /** Lets go of the connection; closes it if the node would still wait for pieces, or was not heard to the end. */
  end(): void {
    if (this.#outcome === undefined) {
      this.#lease.connection.destroy(new HaleError('closed', 'the stream was given up'));
    }
  }

  #next(pieces: SourcePieces): Promise<SourcePiece> {
    const deadline = this.#times.source();
    deadline.check();
    return new Promise((resolve, reject) => {
      // The source may never answer: what the node says meanwhile, and the end of time, count at once.
      const end = (finish: () => void): void => {
        stop();
        this.#notify = undefined;
        finish();
      };
      const stop = deadline.watch((reason) => end(() => reject(reason)));
      this.#notify = () => {
        const error = this.#error;
        if (error !== undefined) end(() => reject(this.#known(error)));
      };
      pieces.next().then(
        (piece) => end(() => resolve(piece)),
        (error: unknown) => end(() => reject(error)),
      );
    });
  }

  #reply(code: number, body: Buffer): boolean {
    const { done, key } = decodeReply(haleStreamPutResp, code, Buffer.from(body));
    this.#unanswered -= 1;
    if (done === true) this.#outcome = { generatedKey: key };
    this.#notify?.();
    return done === true;
  }

  #fail(error: HaleError): void {
    this.#error = error;
    this.#notify?.();
  }

  #until(isThere: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = this.#times.node();
      const look = (): void => {
        if (this.#error !== undefined) end(() => reject(this.#known(this.#error!)));
        else if (isThere()) end(resolve);
      };
      const end = (finish: () => void): void => {
        stop();
        this.#notify = undefined;
        finish();
      };
      const stop = deadline.watch((reason) => this.#lease.connection.destroy(reason));
      this.#notify = look;
      look();
    });
  }

  /** Before the last piece has left nothing can have happened. */
  #known({ code, message, cause, unknownOutcome }: HaleError): HaleError {
    return new HaleError(code, message, { cause, unknownOutcome: unknownOutcome && this.#isSent });
  }
}
