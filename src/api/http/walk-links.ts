/**
 * Link walking: from an object, along its links, step by step (Riak's first way to query). Answers with a multipart of
 * multiparts: one for each step that is shown, in it one part for each content that it led to. Links have no bucket
 * type, so that a walk begins and stays in the untyped namespace. What a link names and is not there is left out.
 */
import { Buffer } from 'node:buffer';
import type { GetResult, KvError, VersionedObject } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { formatContext } from './context-header.ts';
import { sendError } from './error-response.ts';
import { formatHttpDate } from './http-date.ts';
import { sendPage, sendText, serverHeader } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import {
  follows,
  type LinkedName,
  LinkedNames,
  type LinkStep,
  lastSegments,
  linkStepsMax,
  parseLinkSteps,
} from './link-steps.ts';
import { partHead } from './object-headers.ts';
import {
  fitsHeaders,
  type StoredObject,
  sendTooLongHeaders,
  storedObjectOf,
} from './object-representation.ts';
import { percentEncode } from './percent-encoding.ts';
import { linkStyleOf, objectPath, type Route } from './route.ts';
import { multipartBoundary } from './sibling-multipart.ts';

export type LinkWalkRoute = Extract<Route, { readonly kind: 'link_walk' }>;

/** Objects that one step may lead to. */
export const linkedObjectsMax = 1000;
/** Bytes of the answer, and of the objects that wait to be shown in it. */
export const linkWalkBytesMax = 32 * 1024 * 1024;
/** Objects that a walk reads at the same time. */
const readsAtOnceMax = 16;
/** As long may the answer be kept, as Riak says. */
const expiresSeconds = 600;
const microsPerSecond = 1_000_000;

const defaultType = byteLiteral('default');

export function walkLinks(request: HttpRequest<LinkWalkRoute>): void {
  const { exchange, route, query, services } = request;
  if (route.bucketType !== defaultType) {
    sendText(exchange, 403, 'Link-walking is not allowed on keys stored in bucket-types.\n');
    return;
  }
  const steps = parseLinkSteps(lastSegments(exchange.target, route.stepCount));
  if (steps === undefined) {
    const form = `/BUCKET,TAG,KEEP with KEEP 0, 1 or _, at most ${linkStepsMax} times`;
    sendText(exchange, 400, `Invalid link walk query. The form of its steps is ${form}\n`);
    return;
  }
  const timeoutMs = query.timeoutMs();
  const reads = { r: query.quorum('r'), pr: query.quorum('pr'), timeoutMs };
  const { bucketType, bucket, key } = route;
  services.store.get({ bucketType, bucket, key, ...reads }, (result) => {
    if (result.kind === 'failed') sendError(exchange, result.error);
    else if (result.kind !== 'found') sendPage(exchange, 404);
    else if (!fitsHeaders(result.object)) sendTooLongHeaders(exchange);
    else new LinkWalk(request, steps, reads).begin(storedObjectOf(result.object));
  });
}

/** Of POST: programs that meant to invalidate a cache send it. */
export function touchLinkWalk({ exchange }: HttpRequest<LinkWalkRoute>): void {
  exchange.respond(204, ['Server', serverHeader]);
}

class LinkWalk {
  readonly #request: HttpRequest<LinkWalkRoute>;
  readonly #steps: readonly LinkStep[];
  readonly #reads: object;
  readonly #boundary: string;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  /** The one whose objects are read; -1: that before the first. */
  #step = -1;
  /** Names of this step, and what has been read of them, at the same places, if it is shown. */
  #names: readonly LinkedName[] = [];
  #found: (StoredObject | undefined)[] = [];
  #foundBytes = 0;
  /** What the next step leads to, as far as this one is read: of an object that is not shown nothing else is kept. */
  #ahead = new LinkedNames();
  #asked = 0;
  #answered = 0;
  #isOver = false;

  constructor(request: HttpRequest<LinkWalkRoute>, steps: readonly LinkStep[], reads: object) {
    this.#request = request;
    this.#steps = steps;
    this.#reads = reads;
    this.#boundary = multipartBoundary(request.services.random);
  }

  begin(start: StoredObject): void {
    if (this.#lookAhead(start)) this.#goOn();
  }

  /** Notes where the next step leads from an object of this one. False: to too many. */
  #lookAhead({ contents }: StoredObject): boolean {
    const step = this.#steps[this.#step + 1];
    if (step === undefined) return true;
    for (const { links } of contents) {
      for (const link of links) if (follows(step, link)) this.#ahead.add(link);
      if (this.#ahead.size > linkedObjectsMax) {
        this.#refuse(`Step ${this.#step + 2} leads to more than ${linkedObjectsMax} objects.\n`);
        return false;
      }
    }
    return true;
  }

  /** Follows the next step from all that the last one led to. */
  #goOn(): void {
    this.#step += 1;
    if (this.#step === this.#steps.length) {
      this.#send();
      return;
    }
    this.#names = this.#ahead.sorted();
    this.#ahead = new LinkedNames();
    this.#found = [];
    this.#foundBytes = 0;
    this.#asked = 0;
    this.#answered = 0;
    if (this.#names.length === 0) this.#stepIsRead();
    else this.#readFirst();
  }

  #readFirst(): void {
    for (let at = 0; at < readsAtOnceMax; at += 1) this.#readNext();
  }

  #readNext(): void {
    if (this.#isOver) return;
    const at = this.#asked;
    const name = this.#names[at];
    if (name === undefined) return;
    this.#asked += 1;
    const request = { bucketType: defaultType, ...name, ...this.#reads };
    // A read that is answered at once would go on in a recursion as deep as there are links.
    const answered = (result: GetResult): void =>
      this.#request.services.tasks.endOfTurn(() => this.#read(at, result));
    this.#request.services.store.get(request, answered);
  }

  #read(at: number, result: GetResult): void {
    const { exchange } = this.#request;
    if (this.#isOver) return;
    if (exchange.signal.aborted) {
      this.#isOver = true;
      exchange.abort();
      return;
    }
    if (result.kind === 'failed') {
      this.#fail(result.error);
      return;
    }
    if (result.kind === 'found' && !this.#take(at, result.object)) return;
    this.#answered += 1;
    if (this.#answered === this.#names.length) this.#stepIsRead();
    else this.#readNext();
  }

  /** False: it was too much, and that has been answered. */
  #take(at: number, object: VersionedObject): boolean {
    if (!fitsHeaders(object)) {
      this.#isOver = true;
      sendTooLongHeaders(this.#request.exchange);
      return false;
    }
    const stored = storedObjectOf(object);
    if (!this.#lookAhead(stored)) return false;
    if (!this.#steps[this.#step]!.keep) return true;
    this.#found[at] = stored;
    this.#foundBytes += object.sizeBytes;
    if (this.#bytes + this.#foundBytes <= linkWalkBytesMax) return true;
    this.#refuseLength();
    return false;
  }

  #stepIsRead(): void {
    if (this.#steps[this.#step]!.keep && !this.#keep()) this.#refuseLength();
    else this.#goOn();
  }

  /** False: the answer would be too long. */
  #keep(): boolean {
    const { services, route } = this.#request;
    const boundary = multipartBoundary(services.random);
    this.#push(`\r\n--${this.#boundary}\r\nContent-Type: multipart/mixed; boundary=${boundary}\r\n`);
    for (const [at, object] of this.#found.entries()) {
      if (object === undefined) continue;
      const { bucket, key } = this.#names[at]!;
      const style = linkStyleOf(route.style);
      const location = objectPath({ style, bucketType: defaultType, bucket }, key, percentEncode);
      const own = `X-Riak-Vclock: ${formatContext(object.context)}\r\nLocation: ${location}\r\n`;
      for (const content of object.contents) {
        this.#push(`\r\n--${boundary}\r\n${own}${partHead(content, bucket, style)}\r\n`);
        this.#pieces.push(content.value);
        this.#bytes += content.value.length;
      }
      if (this.#bytes > linkWalkBytesMax) return false;
    }
    this.#push(`\r\n--${boundary}--\r\n`);
    return true;
  }

  #push(text: string): void {
    const piece = Buffer.from(text, 'latin1');
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  #send(): void {
    const { exchange, services } = this.#request;
    this.#isOver = true;
    this.#push(`\r\n--${this.#boundary}--\r\n`);
    const now = Math.floor(services.clock.wallMicros() / microsPerSecond);
    exchange.respond(
      200,
      [
        'Server',
        serverHeader,
        'Expires',
        formatHttpDate(now + expiresSeconds),
        'Content-Type',
        `multipart/mixed; boundary=${this.#boundary}`,
      ],
      Buffer.concat(this.#pieces),
    );
  }

  #refuseLength(): void {
    this.#refuse(`The answer would have more than ${linkWalkBytesMax} bytes.\n`);
  }

  #refuse(text: string): void {
    this.#isOver = true;
    sendText(this.#request.exchange, 400, text);
  }

  #fail(error: KvError): void {
    this.#isOver = true;
    sendError(this.#request.exchange, error);
  }
}
