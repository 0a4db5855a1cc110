/** One administrative request to a node, and what its refusals mean to the caller of a command. */
import { Buffer } from 'node:buffer';
import { CommandFailure, type ExitCode, exitCodes } from './exit-codes.ts';
import { type NodeResponse, nodeUrl, requestOf, responseProblem } from './http-request.ts';

const adminPath = '/admin/v1';

const exitCodeOfAdminCode: ReadonlyMap<string, ExitCode> = new Map([
  ['plan_outdated', exitCodes.planOutdated],
  ['unhealthy', exitCodes.unhealthy],
  // Partitions that move are one of the things that make a cluster unhealthy for a plan.
  ['moves_pending', exitCodes.unhealthy],
  ['unavailable', exitCodes.undecided],
  ['removed', exitCodes.removed],
]);
const exitCodeOfStatus: ReadonlyMap<number, ExitCode> = new Map([
  [400, exitCodes.usage],
  [409, exitCodes.refused],
  [413, exitCodes.usage],
]);

/** `path` is below `/admin/v1/`. Throws `CommandFailure`. */
export async function adminGet<Answer>(at: string, path: string): Promise<Answer> {
  return answerIn(await requestOf(nodeUrl(at), { method: 'GET', path: `${adminPath}/${path}` }));
}

export async function adminPost<Answer>(at: string, path: string, body: object): Promise<Answer> {
  const request = {
    method: 'POST',
    path: `${adminPath}/${path}`,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body), 'utf8'),
  } as const;
  return answerIn(await requestOf(nodeUrl(at), request));
}

/** The answers are of our own making; a node of another version adds fields, and takes none away. */
function answerIn<Answer>(response: NodeResponse): Answer {
  if (response.status === 200) return JSON.parse(response.body.toString('utf8')) as Answer;
  throw failureIn(response);
}

interface AdminError {
  readonly error?: string;
  readonly code?: string;
  readonly reasons?: readonly string[];
}

function failureIn(response: NodeResponse): CommandFailure {
  const { error, code, reasons = [] } = errorIn(response);
  if (error === undefined) return new CommandFailure(exitCodes.failure, responseProblem(response));
  const exitCode =
    exitCodeOfAdminCode.get(code ?? '') ?? exitCodeOfStatus.get(response.status) ?? exitCodes.failure;
  const shownCode = code === undefined ? '' : ` (${code})`;
  return new CommandFailure(exitCode, [`${error}${shownCode}`, ...reasons.map((r) => `  ${r}`)].join('\n'));
}

function errorIn(response: NodeResponse): AdminError {
  try {
    return JSON.parse(response.body.toString('utf8')) as AdminError;
  } catch {
    return {};
  }
}
