/**
 * One Protocol Buffers connection: frames in, requests in strict order, replies out.
 *
 * Frames that have arrived wait until the request before them is answered, so clients may pipeline. Only
 * plain puts overlap, and gets: each starts after those before it and before they are committed, or answered by other
 * nodes, and whatever is of another kind waits until all of them are answered. So a get sees the puts before it and none behind
 * it, and the puts of a connection happen in its order. While a listing streams, nothing may arrive: Riak calls that an error and
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
import {
  badFrame,
  overloadText,
  requestDuringStream,
  textOfError,
  undecodable,
  unknownCode,
} from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { decodeOrRefuse } from './frame-body.ts';
import { type GetInFlight, GetsInFlight } from './gets-in-flight.ts';
import { longReplyBytesMin } from './long-replies.ts';
import type { PbService } from './pb-service.ts';
import { deleteRequestOf, emptyNameError, getRequestOf, isPlainPut, putRequestOf } from './point-requests.ts';
import { answerPut, type PutInFlight, type PutOutcome, PutsInFlight } from './puts-in-flight.ts';
import { rareRequests } from './rare-requests.ts';
import { ReplyQueue } from './reply-queue.ts';
import type { ReplyHolder } from './untaken-replies.ts';

/** Requests answered without a pause; then other connections have their turn. */
const requestsPerTurnMax = 256;
/** Input that waits for the request before it. Beyond this nothing is read; one chunk comes on top. */
const waitingBytesMax = 64 * 1024;
const clientIdBytesMax = 1024;
const clientIdInitial = byteLiteral('\0\0\0\0');

/**
 * `ready`: the next frame may be handled; puts, or gets, may be in flight. `busy`: another request is in progress.
 * `streaming`: a listing is. `yielding`: enough for this turn. `closed`: nothing is read or written any more.
 */
type Phase = 'ready' | 'busy' | 'streaming' | 'yielding' | 'closed';

export class PbConnection implements ConnectionHandler, Exchange, ReplyHolder {
  readonly service: PbService;
  readonly #connection: Connection;
  readonly #frames: FrameReader;
  readonly #replies: ReplyQueue;
  readonly #puts = new PutsInFlight();
  readonly #gets = new GetsInFlight(() => this.#getDone());
  /** Nothing more starts until the puts, or gets, in flight are answered. */
  #awaitsAnswers = false;
  #phase: Phase = 'ready';
  #isRunning = false;
  #isPaused = false;
  #isDraining = false;
  /** No more will arrive: end when what has arrived is answered. */
  #hasPeerEnded = false;
  #clientId: ByteString = clientIdInitial;
  /** Of the request in progress, if it is neither put nor get. */
  #code = 0;
  #lastReplyWasLong = false;
  /** As the service counts them. */
  #arrivingBytes = 0;
  #cancelStream: (() => void) | undefined;

  constructor(connection: Connection, service: PbService) {
    this.service = service;
    this.#connection = connection;
    this.#frames = new FrameReader(service.frameBytesMax);
    this.#replies = new ReplyQueue(connection, service.flusher);
  }

  data(chunk: Buffer): void {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'streaming') {
      this.closeWith(requestDuringStream);
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

  get stalledMs(): number {
    return this.#connection.stalledMs ?? 0;
  }

  cutOff(): void {
    this.#phase = 'closed';
    this.#countUntaken(0);
    this.#connection.destroy();
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  /** No request is in progress. */
  get #isIdle(): boolean {
    return this.#phase === 'ready' && this.#hasNoneInFlight;
  }

  get #hasNoneInFlight(): boolean {
    return this.#puts.isEmpty && this.#gets.isEmpty;
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

  closeWith(text: string): void {
    if (this.#phase === 'closed') return;
    this.#cancelStream?.();
    this.#cancelStream = undefined;
    this.#replies.error(text);
    this.#end();
  }

  beginStream(cancel: () => void): ReplyQueue {
    // Closed while the request was on its way to its first answer: whoever lives again answers nobody.
    if (this.#phase === 'closed') {
      cancel();
      return this.#replies;
    }
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
      this.#start(this.#frames.code);
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

  /** Begins the request of the frame that was found, or puts it back until those in flight are answered. */
  #start(code: number): void {
    if (code === rpbPutReq.code && this.#gets.isEmpty) this.#put();
    else if (code === rpbGetReq.code && this.#puts.isEmpty) this.#get();
    else if (this.#hasNoneInFlight) this.#begin(code);
    else this.#putBack();
  }

  #mayStart(): boolean {
    // Long values are read one at a time: what waits for its turn to be sent is in memory.
    const isFull = this.#puts.isFull || this.#gets.isFull || (this.#lastReplyWasLong && !this.#gets.isEmpty);
    const mayOverlap = !this.#awaitsAnswers && !isFull;
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
    this.closeWith(overloadText);
    this.#countArriving(0);
    return true;
  }

  #countArriving(bytes: number): void {
    this.service.arriving.changed(this.#arrivingBytes, bytes);
    this.#arrivingBytes = bytes;
  }

  #countUntaken(bytes: number): void {
    this.service.untaken.changed(this, bytes);
  }

  #mayNotRead(): boolean {
    return !this.#mayStart() && this.#frames.heldBytes > waitingBytesMax;
  }

  #findFrame(): boolean {
    try {
      return this.#frames.next();
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (this.#hasNoneInFlight) this.closeWith(badFrame(error.message));
      else this.#awaitsAnswers = true; // The reader refuses the frame again.
      return false;
    }
  }

  /** The frame that was found waits for those in flight. */
  #putBack(): void {
    this.#frames.putBack();
    this.#awaitsAnswers = true;
  }

  #begin(code: number): void {
    this.#phase = 'busy';
    this.#code = code;
    switch (code) {
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
    if (!this.service.untaken.hasRoom() || store.refuses?.('read') === true) {
      if (!this.#gets.refuse()) this.#answerRefused(rpbGetReq.code, 1);
      return;
    }
    try {
      fields.read(bytes, start, end);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#gets.begin(false, false).done(undecodable(error.reason));
      return;
    }
    const get = this.#gets.begin(fields.head === true, fields.deletedVclock === true);
    const badName = emptyNameError(fields.bucket, fields.key, fields.type);
    if (badName !== undefined) get.done(badName);
    else store.get(getRequestOf(fields, bytes), get.done);
  }

  #getDone(): void {
    if (this.#phase === 'closed') return;
    for (let get = this.#gets.takeAnswered(); get !== undefined; get = this.#gets.takeAnswered()) {
      this.#answerGet(get);
    }
    this.#startAgain();
  }

  #startAgain(): void {
    if (this.#hasNoneInFlight) this.#awaitsAnswers = false;
    this.#run();
  }

  #put(): void {
    const { bytes, start, end } = this.#frames;
    const { putRequest: fields, store } = this.service;
    if (store.refuses?.('write') === true) {
      if (!this.#puts.refuse()) this.#answerRefused(rpbPutReq.code, 1);
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
      this.#putBack();
      return;
    }
    const request = emptyNameError(fields.bucket, fields.key, fields.type) ?? putRequestOf(fields, bytes);
    const put = this.#puts.begin(fields.returnHead === true, end - start);
    this.#awaitsAnswers = !isPlain;
    if (typeof request === 'string') this.#putDone(put, request);
    else store.put(request, (result) => this.#putDone(put, result));
  }

  #putDone(put: PutInFlight, outcome: PutOutcome): void {
    put.outcome = outcome;
    if (this.#phase === 'closed') return;
    for (let done = this.#puts.takeAnswered(); done !== undefined; done = this.#puts.takeAnswered()) {
      const answered = answerPut(this.#replies, done);
      this.service.observer.requestFinished(rpbPutReq.code, answered === 'failed');
      this.#answerRefused(rpbPutReq.code, done.refusedBehind);
    }
    this.#startAgain();
  }

  /** Must cost next to nothing: a node with too much to do does it the more often. */
  #answerRefused(code: number, count: number): void {
    for (let i = 0; i < count; i += 1) {
      this.#replies.error(overloadText);
      this.service.observer.requestFinished(code, true);
    }
  }

  #answerGet({ outcome, wantsHead, wantsTombstone, refusedBehind }: GetInFlight): void {
    let isFailed = false;
    if (typeof outcome === 'string') {
      isFailed = true;
      this.#replies.error(outcome);
    } else if (outcome !== undefined) {
      isFailed = outcome.kind === 'failed';
      this.#replyToGet(outcome, wantsHead, wantsTombstone);
    }
    this.service.observer.requestFinished(rpbGetReq.code, isFailed);
    this.#answerRefused(rpbGetReq.code, refusedBehind);
  }

  #replyToGet(result: GetResult, wantsHead: boolean, wantsTombstone: boolean): void {
    switch (result.kind) {
      case 'found':
        this.#replyObject(wantsHead ? result.object.headReplyBody() : result.object.replyBody());
        return;
      case 'unchanged':
        this.#replies.frame(rpbGetResp, { unchanged: true });
        return;
      case 'notfound':
        this.#replies.frame(rpbGetResp, { vclock: wantsTombstone ? result.tombstone?.context : undefined });
        return;
      case 'failed':
        this.#replies.error(textOfError(result.error));
        return;
      default:
        unreachable(result);
    }
  }

  #answerDelete(result: DeleteResult): void {
    if (result.kind === 'failed') this.fail(textOfError(result.error));
    else this.reply(rpbDelResp, {});
  }

  #replyObject(body: Uint8Array): void {
    this.#lastReplyWasLong = body.length >= longReplyBytesMin;
    if (this.#lastReplyWasLong) this.service.longReplies.produced(body.length);
    this.#replies.body(rpbGetResp.code, body);
    if (this.#replies.isChoked) this.#countUntaken(this.#connection.queuedBytes);
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

  #end(): void {
    this.#replies.flush();
    this.#phase = 'closed';
    this.#connection.end();
  }
}
