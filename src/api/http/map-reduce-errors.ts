/** Why a MapReduce job was not begun, or failed, in HTTP. Texts are Riak's where programs know them. */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';
import type { JobProblem, JobRefusal } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { sendError } from './error-response.ts';
import { serverHeader } from './http-response.ts';

/** The body of a 400. */
export function refusalText({ part, lines }: JobRefusal): string {
  const reason = lines.join('\n');
  switch (part) {
    case 'json':
    case 'term':
      return `The POST body was not valid JSON.\nThe error from the parser was:\n${reason}\n`;
    case 'value':
      return `The job cannot be taken: ${reason}\n`;
    case 'object':
      return 'The POST body was not a JSON object.\n';
    case 'missing':
      return 'The post body was missing the "inputs" or "query" field.\n';
    case 'inputs':
    case 'query':
    case 'timeout':
      return `An error occurred parsing the "${part}" field.\n${reason}\n`;
    default:
      return unreachable(part);
  }
}

export function sendProblem(exchange: HttpExchange, problem: JobProblem): void {
  if (problem.kind === 'store') sendError(exchange, problem.error);
  else sendJsonText(exchange, statusOf(problem), textOfProblem(problem));
}

function statusOf({ kind }: Exclude<JobProblem, { readonly kind: 'store' }>): number {
  switch (kind) {
    case 'bad_phase':
      return 400;
    case 'overload':
      return 503;
    default:
      return 500;
  }
}

/** One JSON object. */
export function textOfProblem(problem: JobProblem): string {
  switch (problem.kind) {
    case 'timeout':
    case 'cancelled':
    case 'overload':
      return JSON.stringify({ error: problem.kind });
    case 'too_large':
      return JSON.stringify({ error: `the job holds more than ${problem.bytesMax} bytes` });
    case 'bad_phase':
      return JSON.stringify({ phase: problem.phase, error: problem.error });
    case 'phase_failed': {
      const { phase, error, input, type, stack } = problem;
      return JSON.stringify({ phase, error, input, type, stack });
    }
    case 'store':
      return JSON.stringify({ error: problem.error.code });
    default:
      return unreachable(problem);
  }
}

function sendJsonText(exchange: HttpExchange, status: number, text: string): void {
  exchange.respond(status, ['Server', serverHeader, 'Content-Type', 'application/json'], Buffer.from(text));
}
