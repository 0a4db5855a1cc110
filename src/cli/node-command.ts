/** `hale ping`, `status` and `stop`: a running node, over its HTTP listener. */
import { isRunning } from '../runtime/index.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { nodeUrl, requestOf, responseProblem } from './http-request.ts';
import { type StatusFields, statusTable } from './status-table.ts';
import type { Terminal } from './terminal.ts';

const adminPath = '/admin/v1';
const pollMs = 50;

export async function pingNode(terminal: Terminal, at: string): Promise<void> {
  const response = await requestOf(nodeUrl(at), { method: 'GET', path: '/ping' });
  if (response.status !== 200) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  terminal.out('pong\n');
}

export async function showStatus(terminal: Terminal, options: { at: string; json: boolean }): Promise<void> {
  const response = await requestOf(nodeUrl(options.at), { method: 'GET', path: `${adminPath}/status` });
  if (response.status !== 200) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  const status = JSON.parse(response.body.toString('utf8')) as StatusFields;
  terminal.out(options.json ? `${JSON.stringify(status, undefined, 2)}\n` : statusTable(status));
}

/**
 * Asks the node to drain and stop, and waits until its process has ended: then its data and its ports are
 * free. (Administration is for callers on the same machine, so the process can be seen.)
 */
export async function stopNode(terminal: Terminal, options: { at: string; waitMs: number }): Promise<void> {
  const node = nodeUrl(options.at);
  const response = await requestOf(node, { method: 'POST', path: `${adminPath}/stop` });
  if (response.status !== 202) throw new CommandFailure(exitCodes.failure, responseProblem(response));
  const { pid } = JSON.parse(response.body.toString('utf8')) as { readonly pid?: number };
  const deadline = performance.now() + options.waitMs;
  while (pid === undefined ? await isAnswering(node) : isRunning({ pid, startTime: undefined })) {
    if (performance.now() > deadline) {
      throw new CommandFailure(exitCodes.failure, `still stopping after ${options.waitMs} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  terminal.out('stopped\n');
}

async function isAnswering(node: URL): Promise<boolean> {
  try {
    await requestOf(node, { method: 'GET', path: '/ping' });
    return true;
  } catch (error) {
    if (error instanceof CommandFailure && error.exitCode === exitCodes.unreachable) return false;
    throw error;
  }
}
