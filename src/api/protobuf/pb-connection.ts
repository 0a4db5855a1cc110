/**
 * One Protocol Buffers connection: frames in, requests in strict order, replies out.
 *
 * Frames that have arrived wait until the request before them is answered, so clients may pipeline. Only
 * plain puts overlap: each starts after those before it and before they are committed, and whatever is not a
 * plain put waits until all of them are answered. So a get sees the puts before it, and the puts of a
 * connection happen in its order. While a listing streams, nothing may arrive: Riak calls that an error and
 * closes, and so do we. Input that waits is bounded by not reading, output by not starting requests.
 */
import type { Buffer } from 'node:buffer';
import type { Connection, ConnectionHandler } from '../../environment/index.ts';
import type { DeleteResult, GetResult } from '../../kv/index.ts';
import { type ByteString, byteLiteral, unreachable } from '../../stdx/index.ts';
import {
  DecodeError,
  type Encodable,
  FrameError,
  FrameReader,
  type FrameType,
  rpbDelReq,
  rpbDelResp,
  rpbGetClientIdReq,
  rpbGetClientIdResp,
  rpbGetReq,
  rpbGetResp,
  rpbPutReq,
  rpbSetClientIdReq,
  rpbSetClientIdResp,
} from '../../wire/index.ts';
import { badFrame, requestDuringStream, textOfError, undecodable, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { decodeOrRefuse } from './frame-body.ts';
import { longReplyBytesMin } from './long-replies.ts';
import type { PbService } from './pb-service.ts';
import { deleteRequestOf, emptyNameError, getRequestOf, isPlainPut, putRequestOf } from './point-requests.ts';
import { type PutInFlight, type PutOutcome, PutsInFlight } from './puts-in-flight.ts';
import { rareRequests } from './rare-requests.ts';
import { ReplyQueue } from './reply-queue.ts';

/** Requests answered without a pause; then other connections have their turn. */
const requestsPerTurnMax = 256;
/** Input that waits for the request before it. Beyond this nothing is read; one chunk comes on top. */
const waitingBytesMax = 64 * 1024;
const clientIdBytesMax = 1024;
const clientIdInitial = byteLiteral('\0\0\0\0');
const overloadText = textOfError({ code: 'overload' });

/**
 * `ready`: the next frame may be handled; puts may be in flight. `busy`: another request is in progress.
 * `streaming`: a listing is. `yielding`: enough for this turn. `closed`: nothing is read or written any more.
 */
type Phase = 'ready' | 'busy' | 'streaming' | 'yielding' | 'closed';

export class PbConnection implements ConnectionHandler, Exchange {
  readonly service: PbService;
  readonly #connection: Connection;
  readonly #frames: FrameReader;
  readonly #replies: ReplyQueue;
  readonly #puts = new PutsInFlight();
  /** Nothing more starts until the puts in flight are answered. */
  #awaitsPuts = false;
  #phase: Phase = 'ready';
  #isRunning = false;
  #isPaused = false;
  #isDraining = false;
  /** No more will arrive: end when what has arrived is answered. */
  #hasPeerEnded = false;
  #clientId: ByteString = clientIdInitial;
  /** Of the request in progress, if it is not a put: its code, and what of an object it wants to see. */
  #code = 0;
  #wantsHead = false;
  #wantsTombstone = false;
  #lastReplyWasLong = false;
  /** As the service counts them. */
  #arrivingBytes = 0;
  #untakenBytes = 0;
  #cancelStream: (() => void) | undefined;
  readonly #getDone = (result: GetResult): void => this.#answerGet(result);

  constructor(connection: Connection, service: PbService) {
    this.service = service;
    this.#connection = connection;
    this.#frames = new FrameReader(service.frameBytesMax);
    this.#replies = new ReplyQueue(connection, service.flusher);
  }

  data(chunk: Buffer): void {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'streaming') {
      this.#closeWith(requestDuringStream);
      return;
    }
    this.#frames.feed(chunk);
    this.#run();
    this.#frames.retain();
    if (this.#holdsTooMuch()) return;
    if (this.#mayNotRead() && !this.#isPaused) {
      this.#isPaused = true;
      this.#connection.pause();
    }
  }

  drain(): void {
    this.#replies.drained();
    this.#countUntaken(0);
    this.#run();
  }

  ended(): void {
    this.#hasPeerEnded = true;
    this.#run();
  }

  closed(): void {
    this.#phase = 'closed';
    this.#replies.close();
    this.#cancelStream?.();
    this.#cancelStream = undefined;
    this.#countUntaken(0);
    this.#countArriving(0);
    this.service.forget(this);
  }

  /** Ends the connection when no request is in progress. */
  drainAndEnd(): void {
    this.#isDraining = true;
    if (this.#isIdle && !this.#isRunning) this.#end();
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** No request is in progress. */
  get #isIdle(): boolean {
    return this.#phase === 'ready' && this.#puts.isEmpty;
  }

  reply<T>(type: FrameType<T>, message: Encodable<T>): void {
    if (this.#phase === 'closed') return;
    this.#replies.frame(type, message);
    this.#finish(false);
  }

  fail(text: string): void {
    if (this.#phase === 'closed') return;
    this.#replies.error(text);
    this.#finish(true);
  }

  beginStream(cancel: () => void): ReplyQueue {
    this.#phase = 'streaming';
    this.#cancelStream = cancel;
    return this.#replies;
  }

  /** Handles frames until one has to wait, or there is none. */
  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (this.#mustShare && this.#mayStart()) this.#yield();
    for (let handled = 0; this.#mayStart() && this.#findFrame(); handled += 1) {
      if (this.#frames.code === rpbPutReq.code) this.#put();
      else if (this.#puts.isEmpty) this.#begin(this.#frames.code);
      else this.#awaitPuts();
      if ((handled === requestsPerTurnMax || this.#mustShare) && this.#mayStart()) this.#yield();
    }
    this.#isRunning = false;
    // Who may start and is idle has found no frame.
    const isDone = this.#isDraining || (this.#hasPeerEnded && this.#mayStart());
    if (isDone && this.#isIdle) this.#end();
    else if (this.#isPaused && !this.#mayNotRead()) {
      this.#isPaused = false;
      this.#connection.resume();
    }
  }

  #mayStart(): boolean {
    const mayOverlap = !this.#awaitsPuts && !this.#puts.isFull;
    return this.#phase === 'ready' && mayOverlap && !this.#isDraining && !this.#replies.isChoked;
  }

  /** What is long has been produced enough in this turn, and this connection was one to do it. */
  get #mustShare(): boolean {
    return this.#lastReplyWasLong && this.service.longReplies.isSpent;
  }

  /** Closes if all connections together hold too much of requests, and this one is a cause of it. */
  #holdsTooMuch(): boolean {
    if (this.#phase === 'closed') return true;
    this.#countArriving(this.#frames.heldBytes);
    if (this.#arrivingBytes <= waitingBytesMax || !this.service.arriving.isFull) return false;
    this.#closeWith(overloadText);
    this.#countArriving(0);
    return true;
  }

  #countArriving(bytes: number): void {
    this.service.arriving.changed(this.#arrivingBytes, bytes);
    this.#arrivingBytes = bytes;
  }

  #countUntaken(bytes: number): void {
    this.service.untaken.changed(this.#untakenBytes, bytes);
    this.#untakenBytes = bytes;
  }

  #mayNotRead(): boolean {
    return !this.#mayStart() && this.#frames.heldBytes > waitingBytesMax;
  }

  #findFrame(): boolean {
    try {
      return this.#frames.next();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (this.#puts.isEmpty) this.#closeWith(badFrame(error.message));
      else this.#awaitsPuts = true; // The reader refuses the frame again.
      return false;
    }
  }

  /** The frame that was found waits for the puts in flight. */
  #awaitPuts(): void {
    this.#frames.putBack();
    this.#awaitsPuts = true;
  }

  #begin(code: number): void {
    this.#phase = 'busy';
    this.#code = code;
    switch (code) {
      case rpbGetReq.code:
        this.#get();
        return;
      case rpbDelReq.code:
        this.#delete();
        return;
      case rpbGetClientIdReq.code:
        this.reply(rpbGetClientIdResp, { client_id: this.#clientId });
        return;
      case rpbSetClientIdReq.code:
        this.#setClientId();
        return;
      default: {
        const handle = rareRequests.get(code);
        if (handle === undefined) this.fail(unknownCode(code));
        else handle(this, this.#frames);
      }
    }
  }

  #get(): void {
    const { bytes, start, end } = this.#frames;
    const { getRequest: fields, store } = this.service;
    if (this.service.untaken.isFull || store.refuses?.('read') === true) {
      this.fail(overloadText);
      return;
    }
    try {
      fields.read(bytes, start, end);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.fail(undecodable(error.reason));
      return;
    }
    const badName = emptyNameError(fields.bucket, fields.key, fields.type);
    if (badName !== undefined) {
      this.fail(badName);
      return;
    }
    this.#wantsHead = fields.head === true;
    this.#wantsTombstone = fields.deletedVclock === true;
    store.get(getRequestOf(fields, bytes), this.#getDone);
  }

  #put(): void {
    const { bytes, start, end } = this.#frames;
    const { putRequest: fields, store } = this.service;
    // Refusing must cost next to nothing: a node with too much to do does it the more often.
    if (store.refuses?.('write') === true) {
      this.#putDone(this.#puts.begin(false, 0), overloadText);
      return;
    }
    try {
      fields.read(bytes, start, end);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#putDone(this.#puts.begin(false, end - start), undecodable(error.reason));
      return;
    }
    const isPlain = isPlainPut(fields);
    if (!isPlain && !this.#puts.isEmpty) {
      this.#awaitPuts();
      return;
    }
    const request = emptyNameError(fields.bucket, fields.key, fields.type) ?? putRequestOf(fields, bytes);
    const put = this.#puts.begin(fields.returnHead === true, end - start);
    this.#awaitsPuts = !isPlain;
    if (typeof request === 'string') this.#putDone(put, request);
    else store.put(request, (result) => this.#putDone(put, result));
  }

  #putDone(put: PutInFlight, outcome: PutOutcome): void {
    put.outcome = outcome;
    if (this.#phase === 'closed') return;
    for (;;) {
      const answered = this.#puts.answerOldest(this.#replies);
      if (answered === undefined) break;
      this.service.observer.requestFinished(rpbPutReq.code, answered === 'failed');
    }
    if (this.#puts.isEmpty) this.#awaitsPuts = false;
    this.#run();
  }

  #answerGet(result: GetResult): void {
    switch (result.kind) {
      case 'found':
        this.#replyObject(result.object);
        return;
      case 'unchanged':
        this.reply(rpbGetResp, { unchanged: true });
        return;
      case 'notfound': {
        const tombstone = this.#wantsTombstone ? result.tombstone : undefined;
        this.reply(rpbGetResp, { vclock: tombstone?.context });
        return;
      }
      case 'failed':
        this.fail(textOfError(result.error));
        return;
      default:
        unreachable(result);
    }
  }

  #answerDelete(result: DeleteResult): void {
    if (result.kind === 'failed') this.fail(textOfError(result.error));
    else this.reply(rpbDelResp, {});
  }

  #replyObject(object: { replyBody(): Uint8Array; headReplyBody(): Uint8Array }): void {
    if (this.#phase === 'closed') return;
    const body = this.#wantsHead ? object.headReplyBody() : object.replyBody();
    this.#lastReplyWasLong = body.length >= longReplyBytesMin;
    if (this.#lastReplyWasLong) this.service.longReplies.produced(body.length);
    this.#replies.body(rpbGetResp.code, body);
    if (this.#replies.isChoked) this.#countUntaken(this.#connection.queuedBytes);
    this.#finish(false);
  }

  #delete(): void {
    const message = decodeOrRefuse(this, rpbDelReq, this.#frames);
    if (message === undefined) return;
    const badName = emptyNameError(message.bucket, message.key, message.type);
    if (badName !== undefined) this.fail(badName);
    else this.service.store.delete(deleteRequestOf(message), (result) => this.#answerDelete(result));
  }

  #setClientId(): void {
    const message = decodeOrRefuse(this, rpbSetClientIdReq, this.#frames);
    if (message === undefined) return;
    if (message.client_id.length > clientIdBytesMax) {
      this.fail(undecodable('client id is too long'));
      return;
    }
    this.#clientId = message.client_id;
    this.reply(rpbSetClientIdResp, {});
  }

  #finish(failed: boolean): void {
    this.#cancelStream = undefined;
    this.#phase = 'ready';
    this.service.observer.requestFinished(this.#code, failed);
    this.#run();
  }

  #yield(): void {
    this.#phase = 'yielding';
    const { longReplies, tasks } = this.service;
    const resume = (): void => {
      if (this.#phase !== 'yielding') return;
      this.#phase = 'ready';
      this.#run();
    };
    if (this.#mustShare) longReplies.wait(resume);
    else tasks.endOfTurn(resume);
  }

  /** Says why, sends what is queued, closes. */
  #closeWith(text: string): void {
    this.#cancelStream?.();
    this.#cancelStream = undefined;
    this.#replies.error(text);
    this.#end();
  }

  #end(): void {
    this.#replies.flush();
    this.#phase = 'closed';
    this.#connection.end();
  }
}
