/** `POST /mapred`: runs a job; its results come as one JSON array, or with `chunked=true` in parts as they are made. */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import {
  type Item,
  type JobBudget,
  JobFailure,
  JobRefusal,
  jsonOf,
  type MapReduce,
  type MapReduceJob,
  parseJsonJob,
} from '../../kv/index.ts';
import { mediaTypeOf } from './content-negotiation.ts';
import { sendPage, sendText, serverHeader } from './http-response.ts';
import type { HttpRequest } from './http-services.ts';
import { refusalText, sendProblem, textOfProblem } from './map-reduce-errors.ts';
import type { Route } from './route.ts';
import { multipartBoundary } from './sibling-multipart.ts';
import { sendBodyRefusal } from './write-object.ts';

type Request = HttpRequest<Route>;

const usage = `MapReduce jobs are sent by POST, as JSON:

{"inputs":[...list of inputs...],
 "query":[...list of map, reduce and link phases...],
 "timeout":60000}
`;

/** Results leave, or are put together, in pieces of about so many characters. */
const pieceLength = 64 * 1024;

export function showMapReduceUsage({ exchange }: Request): void {
  sendText(exchange, 200, usage);
}

export function runMapReduce(request: Request): void {
  const { exchange, services, headers, query } = request;
  const { mapReduce } = services;
  if (mapReduce === undefined) {
    sendText(exchange, 501, 'MapReduce is not available here.\n');
    return;
  }
  if (headers.contentType === undefined || mediaTypeOf(headers.contentType) !== 'application/json') {
    sendPage(exchange, 415);
    return;
  }
  const isChunked = query.text('chunked') === 'true';
  exchange.readBody(mapReduce.settings.requestBytesMax, (body) => {
    if (body.kind !== 'complete') {
      if (body.kind === 'too_large') sendText(exchange, 413, 'The job is too large.\n');
      else sendBodyRefusal(exchange, body);
      return;
    }
    const job = jobOf(exchange, mapReduce, body.bytes);
    if (job === undefined) return;
    const results = isChunked
      ? new PartedResults(exchange, multipartBoundary(services.random))
      : new WholeResults(exchange, job);
    services.tasks.spawn('http mapreduce', () => run(exchange, mapReduce, job, results));
  });
}

/** Undefined: the refusal has been sent. */
function jobOf(exchange: HttpExchange, { settings }: MapReduce, bytes: Buffer): MapReduceJob | undefined {
  if (bytes.length === 0) {
    sendText(exchange, 400, usage);
    return undefined;
  }
  try {
    return parseJsonJob(bytes, settings.heldBytesMax);
  } catch (error) {
    if (!(error instanceof JobRefusal)) throw error;
    sendText(exchange, 400, refusalText(error));
    return undefined;
  }
}

interface Results {
  take(phase: number, items: readonly Item[], budget: JobBudget): Promise<void>;
  finish(): void;
  fail(failure: JobFailure): void;
}

async function run(
  exchange: HttpExchange,
  mapReduce: MapReduce,
  job: MapReduceJob,
  results: Results,
): Promise<void> {
  const { done, cancel } = mapReduce.start(job, (phase, items, budget) => results.take(phase, items, budget));
  if (exchange.signal.aborted) cancel();
  exchange.signal.addEventListener('abort', cancel);
  try {
    await done;
    results.finish();
  } catch (error) {
    if (!(error instanceof JobFailure)) throw error;
    results.fail(error);
  } finally {
    exchange.signal.removeEventListener('abort', cancel);
  }
}

/** Texts of items, in pieces that are not too long; each item's after the other. */
function* piecesOf(items: readonly Item[]): Generator<string> {
  let piece = '';
  for (const item of items) {
    const text = jsonOf(item);
    piece = piece === '' ? text : `${piece},${text}`;
    if (piece.length < pieceLength) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** Everything is gathered: only so can a failure still be answered as one. */
class WholeResults implements Results {
  readonly #exchange: HttpExchange;
  /** By phase, in their order: one that is kept and yields nothing is an empty array. */
  readonly #phases: ReadonlyMap<number, Buffer[]>;

  constructor(exchange: HttpExchange, { phases }: MapReduceJob) {
    this.#exchange = exchange;
    const kept = phases.flatMap(({ isKept }, phase) => (isKept ? [phase] : []));
    this.#phases = new Map((phases.length === 0 ? [0] : kept).map((phase) => [phase, []]));
  }

  async take(phase: number, items: readonly Item[], budget: JobBudget): Promise<void> {
    const pieces = this.#phases.get(phase)!;
    for (const piece of piecesOf(items)) {
      const bytes = Buffer.from(pieces.length === 0 ? piece : `,${piece}`);
      budget.hold(bytes.length);
      pieces.push(bytes);
      await budget.pause();
    }
  }

  finish(): void {
    const arrays = [...this.#phases.values()].map((pieces) => [
      Buffer.from('['),
      ...pieces,
      Buffer.from(']'),
    ]);
    const body =
      arrays.length === 1
        ? arrays[0]!
        : [
            Buffer.from('['),
            ...arrays.flatMap((array, i) => (i === 0 ? array : [Buffer.from(','), ...array])),
            Buffer.from(']'),
          ];
    const headers = ['Server', serverHeader, 'Content-Type', 'application/json'];
    this.#exchange.respond(200, headers, Buffer.concat(body));
  }

  fail({ problem }: JobFailure): void {
    sendProblem(this.#exchange, problem);
  }
}

/** `multipart/mixed`, a part for each piece of a phase's results, at the pace of the client. */
class PartedResults implements Results {
  readonly #exchange: HttpExchange;
  readonly #boundary: string;
  #hasBegun = false;

  constructor(exchange: HttpExchange, boundary: string) {
    this.#exchange = exchange;
    this.#boundary = boundary;
  }

  async take(phase: number, items: readonly Item[], budget: JobBudget): Promise<void> {
    for (const piece of piecesOf(items)) {
      // While it waited for the client the job may have ended, and so has the response.
      budget.timeLeft();
      await this.#part(`{"phase":${phase},"data":[${piece}]}`);
    }
  }

  finish(): void {
    this.#begin();
    this.#exchange.write(Buffer.from(`\r\n--${this.#boundary}--\r\n`));
    this.#exchange.end();
  }

  fail({ problem }: JobFailure): void {
    if (!this.#hasBegun) {
      sendProblem(this.#exchange, problem);
      return;
    }
    if (this.#exchange.signal.aborted) return;
    this.#exchange.write(Buffer.from(this.#textOfPart(textOfProblem(problem))));
    this.finish();
  }

  async #part(json: string): Promise<void> {
    this.#begin();
    if (!this.#exchange.write(Buffer.from(this.#textOfPart(json)))) await this.#exchange.drained();
  }

  #textOfPart(json: string): string {
    return `\r\n--${this.#boundary}\r\nContent-Type: application/json\r\n\r\n${json}`;
  }

  #begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    const type = `multipart/mixed;boundary=${this.#boundary}`;
    this.#exchange.start(200, ['Server', serverHeader, 'Content-Type', type]);
  }
}
