/**
 * HaleStreamPutReq and HaleStreamPieceReq: a value that comes in pieces. The begin and each piece are requests of their
 * own, answered when the store wants the next piece; so that a peer which has only so many unanswered is held back by
 * the disks. Nothing is stored at the key before the last piece: whoever leaves earlier leaves nothing behind.
 */
import { Buffer } from 'node:buffer';
import type { Timer, Timers } from '../../environment/index.ts';
import type { LargePut, LargePutResult, ValueStreams } from '../../kv/index.ts';
import {
  ContentError,
  decodeContent,
  type haleStreamPieceReq,
  haleStreamPutReq,
  haleStreamPutResp,
  type MessageOf,
  scanNewContent,
} from '../../wire/index.ts';
import { textOfError, undecodable, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { defaultType, emptyNameError, quorum } from './point-requests.ts';

const noStream = 'no stream is in progress';
const streamInProgress = 'a stream is in progress';
const otherLength = 'the stream has not the length that it was said to have';
const slowPeer = 'the stream was given up: it, or its next piece, took too long';

/** What a service needs to take and send values in pieces. */
export interface PbStreams {
  readonly values: ValueStreams;
  readonly timers: Timers;
  /** Milliseconds that a peer may take for its next piece. */
  readonly pieceMsMax: number;
  /** And for all of them: the store takes only so many streams at once. */
  readonly streamMsMax: number;
}

/** The streams that are coming in: at most one on each connection. */
export class StreamedPuts {
  readonly #coming = new Map<Exchange, ArrivingPieces>();

  of(exchange: Exchange): ArrivingPieces | undefined {
    return this.#coming.get(exchange);
  }

  begin(exchange: Exchange, pieces: ArrivingPieces): void {
    this.#coming.set(exchange, pieces);
  }

  end(exchange: Exchange): void {
    this.#coming.get(exchange)?.end();
    this.#coming.delete(exchange);
  }

  /** The connection is gone. */
  breakOff(exchange: Exchange): void {
    this.#coming.get(exchange)?.breakOff();
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

/** The body of one stream, as the store reads it. */
class ArrivingPieces {
  readonly #exchange: Exchange;
  readonly #streams: PbStreams;
  /** Takes the next piece; undefined: there will be none. */
  #take: ((piece: Piece | undefined) => void) | undefined;
  #timer: Timer | undefined;
  readonly #lastTimer: Timer;
  isGivenUp = false;

  constructor(exchange: Exchange, streams: PbStreams) {
    this.#exchange = exchange;
    this.#streams = streams;
    this.#lastTimer = streams.timers.after(streams.streamMsMax, () => this.breakOff());
  }

  async *body(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = await this.#wanted();
      if (piece === undefined) throw new Error('the stream broke off');
      if (piece.bytes.length > 0) yield piece.bytes;
      if (piece.isLast) return;
    }
  }

  /** False: nobody waits for one. */
  arrived(piece: Piece): boolean {
    return this.#finish(piece);
  }

  breakOff(): void {
    this.isGivenUp = true;
    this.#finish(undefined);
  }

  end(): void {
    this.#lastTimer.cancel();
  }

  /** Answers the request in progress, and waits for the next one. */
  #wanted(): Promise<Piece | undefined> {
    if (this.isGivenUp || this.#exchange.isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#take = resolve;
      this.#timer = this.#streams.timers.after(this.#streams.pieceMsMax, () => this.breakOff());
      // Last: the next piece may be there already, and arrives within.
      this.#exchange.reply(haleStreamPutResp, {});
    });
  }

  #finish(piece: Piece | undefined): boolean {
    const take = this.#take;
    this.#take = undefined;
    this.#timer?.cancel();
    take?.(piece);
    return take !== undefined;
  }
}

export function putStream(exchange: Exchange, message: MessageOf<typeof haleStreamPutReq>): void {
  const { streams, streamedPuts, tasks } = exchange.service;
  const badName = emptyNameError(message.bucket, message.key, message.type);
  if (streams === undefined || badName !== undefined || streamedPuts.of(exchange) !== undefined) {
    exchange.fail(badName ?? (streams === undefined ? unknownCode(haleStreamPutReq.code) : streamInProgress));
    return;
  }
  let put: LargePut;
  try {
    put = putOf(message);
  } catch (error) {
    if (!(error instanceof ContentError)) throw error;
    exchange.fail(undecodable(error.message));
    return;
  }
  const pieces = new ArrivingPieces(exchange, streams);
  streamedPuts.begin(exchange, pieces);
  tasks.spawn('protobuf: stream put', async () => {
    const result = await streams.values.put(put, pieces.body());
    streamedPuts.end(exchange);
    answer(exchange, result, pieces.isGivenUp);
  });
}

/** To the begin if it was refused, else to the last piece that came. */
function answer(exchange: Exchange, result: LargePutResult, isGivenUp: boolean): void {
  switch (result.kind) {
    case 'stored':
      exchange.reply(haleStreamPutResp, { done: true, key: result.generatedKey });
      return;
    case 'broken_off':
      // Whoever sends no piece waits for no answer: one would be taken for that of its next request.
      if (isGivenUp) exchange.closeWith(slowPeer);
      else exchange.fail(otherLength);
      return;
    default:
      exchange.fail(textOfError(result.error));
  }
}

export function takePiece(exchange: Exchange, message: MessageOf<typeof haleStreamPieceReq>): void {
  const pieces = exchange.service.streamedPuts.of(exchange);
  // The frame is used again when the next one comes.
  const piece = { bytes: Buffer.from(message.piece), isLast: message.last === true };
  if (pieces?.arrived(piece) !== true) exchange.fail(noStream);
}

function putOf(message: MessageOf<typeof haleStreamPutReq>): LargePut {
  const { bucket, key, type, vclock, w, dw, pw, if_not_modified, if_none_match, bytes } = message;
  scanNewContent(message.content);
  const { value: _, manifest: __, ...content } = decodeContent(Buffer.from(message.content));
  return {
    bucketType: type ?? defaultType,
    bucket,
    ...(key === undefined ? {} : { key }),
    context: vclock === undefined ? undefined : Buffer.from(vclock),
    content,
    w: quorum(w),
    dw: quorum(dw),
    pw: quorum(pw),
    ifNotModified: if_not_modified,
    ifNoneMatch: if_none_match,
    ...(bytes === undefined ? {} : { length: Number(bytes) }),
  };
}
