/** RpbMapRedReq: a job as JSON or as an Erlang term; its results come in the same form, phase by phase as they are made. */
import { Buffer } from 'node:buffer';
import {
  type Item,
  JobFailure,
  type JobProblem,
  JobRefusal,
  jsonOf,
  type MapReduce,
  type MapReduceJob,
  parseJsonJob,
  parseTermJob,
  sizeOf,
  termOf,
} from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import {
  DecodeError,
  encodeTerm,
  erlangBinary,
  type MessageOf,
  type rpbMapRedReq,
  rpbMapRedResp,
  textOfString,
} from '../../wire/index.ts';
import { textOfBucketError, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import type { ReplyQueue } from './reply-queue.ts';

type Request = MessageOf<typeof rpbMapRedReq>;

const code = 23;
/** Results of one frame, roughly. */
const frameBytesMax = 64 * 1024;

interface Form {
  readonly parse: (bytes: Buffer, parsedBytesMax: number) => MapReduceJob;
  readonly encode: (items: readonly Item[]) => Buffer;
}

const forms: ReadonlyMap<string, Form> = new Map<string, Form>([
  [
    'application/json',
    { parse: parseJsonJob, encode: (items) => Buffer.from(`[${items.map(jsonOf).join(',')}]`) },
  ],
  [
    'application/x-erlang-binary',
    { parse: parseTermJob, encode: (items) => encodeTerm(items.map((item) => termOf(item))) },
  ],
]);

export function mapReduce(exchange: Exchange, { request, content_type }: Request): void {
  const service = exchange.service.mapReduce;
  const form = forms.get(content_type);
  if (service === undefined) exchange.fail(unknownCode(code));
  else if (form === undefined) exchange.fail(`{unknown_content_type,${erlangBinary(content_type)}}`);
  else if (request.length > service.settings.requestBytesMax) exchange.fail('the job is too large');
  else {
    const job = jobOf(exchange, service, form, request);
    if (job === undefined) return;
    exchange.service.tasks.spawn('protobuf: mapreduce', () => run(exchange, service, form, job));
  }
}

/** Undefined: the refusal has been sent. */
function jobOf(
  exchange: Exchange,
  { settings }: MapReduce,
  form: Form,
  request: Buffer,
): MapReduceJob | undefined {
  try {
    return form.parse(request, settings.heldBytesMax);
  } catch (error) {
    if (!(error instanceof JobRefusal)) throw error;
    exchange.fail(refusalText(error));
    return undefined;
  }
}

async function run(exchange: Exchange, service: MapReduce, form: Form, job: MapReduceJob): Promise<void> {
  let replies: ReplyQueue | undefined;
  const { done, cancel } = service.start(job, async (phase, items, budget) => {
    for (const part of partsOf(items)) {
      if (exchange.isClosed || replies === undefined) return;
      // While it waited for the client the job may have ended, with an error behind which nothing may come.
      budget.timeLeft();
      replies.frame(rpbMapRedResp, { phase, response: encoded(form, phase, part) });
      await replies.writable();
    }
  });
  replies = exchange.beginStream(cancel);
  try {
    await done;
    exchange.reply(rpbMapRedResp, { done: true });
  } catch (error) {
    if (!(error instanceof JobFailure)) throw error;
    exchange.fail(problemText(error.problem));
  }
}

/** What is nested deeper than a term may be cannot be written as one. */
function encoded(form: Form, phase: number, items: readonly Item[]): Buffer {
  try {
    return form.encode(items);
  } catch (error) {
    if (!(error instanceof DecodeError) && (error as Error).name !== 'ItemError') throw error;
    const reason = `a result cannot be written: ${(error as Error).message}`;
    throw new JobFailure({
      kind: 'phase_failed',
      phase,
      error: reason,
      input: '',
      type: 'result',
      stack: '[]',
    });
  }
}

function* partsOf(items: readonly Item[]): Generator<readonly Item[]> {
  let part: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    part.push(item);
    bytes += sizeOf(item);
    if (bytes < frameBytesMax) continue;
    yield part;
    part = [];
    bytes = 0;
  }
  if (part.length > 0) yield part;
}

function refusalText({ part, lines, found }: JobRefusal): string {
  const sentences = lines.map(textOfString);
  switch (part) {
    case 'json':
    case 'value':
      return `{invalid_json,${sentences.join(',')}}`;
    case 'term':
      return `{invalid_term,${sentences.join(',')}}`;
    case 'object':
      return 'not_json';
    case 'missing':
      return 'missing_field';
    default:
      return found === undefined
        ? `{${part},[${sentences.join(',')}]}`
        : `{${part},{${sentences.join(',')},${found}}}`;
  }
}

function problemText(problem: JobProblem): string {
  switch (problem.kind) {
    case 'timeout':
    case 'cancelled':
    case 'overload':
      return problem.kind;
    case 'too_large':
      return `the job holds more than ${problem.bytesMax} bytes`;
    case 'bad_phase':
      return `Phase ${problem.phase}: ${problem.error}`;
    case 'phase_failed': {
      const { phase, error, input, type, stack } = problem;
      return JSON.stringify({ phase, error, input, type, stack });
    }
    case 'store':
      return `Error sending inputs: ${textOfBucketError(problem.error)}`;
    default:
      return unreachable(problem);
  }
}
