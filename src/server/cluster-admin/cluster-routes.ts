/** `/admin/v1/cluster…`, `/admin/v1/ring/risk`, `/admin/v1/aae/status`: which request means what. */
import type { Buffer } from 'node:buffer';
import type { StagedChange } from '../../core/index.ts';
import { badRequest } from './admin-failure.ts';
import { ChangeBody, stagedChangeIn } from './change-body.ts';
import type { ClusterAdmin } from './cluster-admin.ts';

export type ClusterRoute =
  | { readonly method: 'GET'; readonly answer: (query: URLSearchParams) => unknown }
  | { readonly method: 'POST'; readonly answer: (body: Buffer) => Promise<unknown> };

/** By path below `/admin/v1/`. Answers are JSON; they throw, or reject with, `AdminFailure`. */
export function clusterRoutes(admin: ClusterAdmin): ReadonlyMap<string, ClusterRoute> {
  return new Map<string, ClusterRoute>([
    ['cluster', { method: 'GET', answer: () => admin.overview() }],
    ['cluster/members', { method: 'GET', answer: () => admin.members() }],
    ['cluster/ring', { method: 'GET', answer: () => admin.ring() }],
    ['cluster/plan', { method: 'GET', answer: () => admin.plan() }],
    ['cluster/transfers', { method: 'GET', answer: () => admin.transfers() }],
    ['ring/risk', { method: 'GET', answer: (query) => admin.risk(riskQuestion(query)) }],
    ['aae/status', { method: 'GET', answer: () => admin.antiEntropy() }],
    [
      'cluster/join',
      change(
        (body) => body.address('seed'),
        (seed) => admin.join(seed),
      ),
    ],
    staging(admin, 'leave'),
    staging(admin, 'remove'),
    staging(admin, 'replace'),
    staging(admin, 'force-replace'),
    staging(admin, 'location'),
    ['cluster/down', marking(admin, 'down')],
    ['cluster/up', marking(admin, 'valid')],
    ['cluster/clear', change(nothing, () => epochOf(admin.clear()))],
    ['cluster/cancel', change(nothing, () => epochOf(admin.cancel()))],
    [
      'cluster/commit',
      change(
        (body) => body.commit(),
        (request) => admin.commit(request),
      ),
    ],
    [
      'cluster/recover',
      change(
        (body) => body.nodes('survivors'),
        (nodes) => admin.recover(nodes),
      ),
    ],
  ]);
}

/** Nothing is done before the whole body was understood. */
function change<Request>(
  read: (body: ChangeBody) => Request,
  carryOut: (request: Request) => Promise<unknown>,
): ClusterRoute {
  return {
    method: 'POST',
    answer: (bytes) => {
      const body = ChangeBody.parse(bytes);
      const request = read(body);
      body.done();
      return carryOut(request);
    },
  };
}

function nothing(): void {
  // The body has no fields.
}

function staging(
  admin: ClusterAdmin,
  kind: Exclude<StagedChange['kind'], 'join'>,
): readonly [string, ClusterRoute] {
  const read = (body: ChangeBody): StagedChange => stagedChangeIn(kind, body, admin.self);
  return [`cluster/${kind}`, change(read, (staged) => epochOf(admin.stage(staged)))];
}

function marking(admin: ClusterAdmin, status: 'down' | 'valid'): ClusterRoute {
  return change(
    (body) => body.node('node'),
    (node) => epochOf(admin.mark(node, status)),
  );
}

async function epochOf(done: Promise<number>): Promise<{ readonly epoch: number }> {
  return { epoch: await done };
}

function riskQuestion(query: URLSearchParams) {
  const unit = query.get('unit') ?? 'node';
  if (unit !== 'node' && unit !== 'location') throw badRequest('unit must be node or location');
  const replicas = query.get('n');
  return {
    failures: wholeNumber('failures', query.get('failures') ?? '2'),
    unit,
    replicas: replicas === null ? undefined : wholeNumber('n', replicas),
  } as const;
}

function wholeNumber(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`${name} must be a number`);
  return Number(text);
}
