/**
 * Leaving the own cluster of one for another: the other's member enters this node in its log, then this node
 * takes that log's state in the place of its own, in one write. A crash before that write leaves a cluster of
 * one, and the other lists a member that has not come yet; joining again then goes on where it was.
 */
import { Buffer } from 'node:buffer';
import type { Address, Environment } from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import { type ClusterState, decodeState, type Member } from '../topology/index.ts';
import { GuestRefusedError } from '../transport/index.ts';
import { decodeGuestReply, encodeGuestRequest, type GuestReply, type GuestRequest } from './guest-message.ts';
import type { StatePlace } from './proposal.ts';
import type { ReplicatedClusterLog } from './replicated-cluster-log.ts';

export type JoinOutcome =
  | { readonly kind: 'joined'; readonly clusterId: string }
  /** It was a member of that cluster before. */
  | { readonly kind: 'already'; readonly clusterId: string }
  /** Trying again changes nothing. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface JoinParts {
  readonly log: ReplicatedClusterLog;
  readonly environment: Pick<Environment, 'log'>;
  /** This node, as it wants to be entered. */
  readonly member: Member;
  readonly ask: (address: Address, request: Buffer) => Promise<Buffer>;
}

/** A state is never longer, whoever sends it. */
const stateBytesMax = 256 * 1024 * 1024;
/** The state changed between two pieces: so often it is begun anew. */
const beginningsMax = 10;

export async function joinCluster(seed: Address, parts: JoinParts): Promise<JoinOutcome> {
  const { log, member, environment } = parts;
  const { state, self } = log;
  if (log.isRemoved) {
    return { kind: 'refused', code: 'removed', reason: `${self} was removed from its cluster for good` };
  }
  if (state.members.size > 1) return sameCluster(seed, parts);
  const reply = await ask(seed, { kind: 'join', member, ringSize: state.owners.length }, parts);
  if (reply.kind === 'refused' || reply.kind === 'unavailable') return reply;
  if (reply.kind !== 'admitted') return malformed;
  const { clusterId } = reply;
  if (clusterId === state.clusterId) {
    return { kind: 'refused', code: 'self', reason: `the seed is ${self} itself, or of its own cluster` };
  }
  const theirs = await fetchState(seed, parts);
  if (theirs === undefined) return { kind: 'unavailable', reason: 'the state could not be fetched' };
  if (theirs.clusterId !== clusterId || theirs.members.get(self)?.instance !== member.instance) {
    return { kind: 'unavailable', reason: 'the seed has another state than it had' };
  }
  if (log.state.members.size > 1) {
    return { kind: 'unavailable', reason: `${self} was joined by another node meanwhile` };
  }
  if (state.registry.size > 0) {
    environment.log.warn('what was registered in the cluster of one is replaced', {
      entries: state.registry.size,
    });
  }
  const identity = { ...log.identity, clusterId };
  const failure = await log.rebase(
    [{ kind: 'identity', identity }, { kind: 'no-replica' }, { kind: 'state', state: theirs }],
    theirs,
  );
  if (failure !== undefined) return { kind: 'unavailable', reason: failure };
  environment.log.info('joined a cluster', { clusterId, members: theirs.members.size });
  return { kind: 'joined', clusterId };
}

/** A node of several has a cluster; that is well if it is the seed's. */
async function sameCluster(seed: Address, parts: JoinParts): Promise<JoinOutcome> {
  const { log, member } = parts;
  const { clusterId, generation, epoch, members } = log.state;
  const at = { generation, epoch };
  const { node, instance } = member;
  const reply = await ask(seed, { kind: 'standing', clusterId, node, instance, at }, parts);
  if (reply.kind === 'standing' && reply.standing === 'member') return { kind: 'already', clusterId };
  if (reply.kind === 'unavailable' || reply.kind === 'refused') return reply;
  return {
    kind: 'refused',
    code: 'has_members',
    reason: `${node} has a cluster of ${members.size} members already, and must leave that first`,
  };
}

/** Whole, and of one moment. Undefined: it was not to be had. */
export async function fetchState(
  seed: Address,
  parts: Pick<JoinParts, 'ask'>,
): Promise<ClusterState | undefined> {
  let of: StatePlace | undefined;
  let pieces: Buffer[] = [];
  let length = 0;
  for (let beginnings = 0; beginnings < beginningsMax; ) {
    const reply = await ask(seed, { kind: 'fetch', of, offset: length }, parts);
    if (reply.kind !== 'state' || reply.total > stateBytesMax) return undefined;
    if (reply.offset !== length) {
      beginnings += 1;
      pieces = [];
      length = 0;
      if (reply.offset !== 0) continue;
    }
    of = reply.of;
    pieces.push(reply.bytes);
    length += reply.bytes.length;
    if (length >= reply.total) return decodeState(Buffer.concat(pieces));
    if (reply.bytes.length === 0) return undefined;
  }
  return undefined;
}

const malformed: JoinOutcome = {
  kind: 'unavailable',
  reason: 'the seed gave an answer that cannot be read',
};

export async function ask(
  seed: Address,
  request: GuestRequest,
  parts: Pick<JoinParts, 'ask'>,
): Promise<GuestReply> {
  try {
    const reply = decodeGuestReply(await parts.ask(seed, encodeGuestRequest(request)));
    return reply ?? { kind: 'unavailable', reason: 'the seed gave an answer that cannot be read' };
  } catch (error) {
    if (error instanceof GuestRefusedError) {
      return { kind: 'refused', code: error.code, reason: error.message };
    }
    if (!(error instanceof NetworkError)) throw error;
    return { kind: 'unavailable', reason: `${seed.host}:${seed.port}: ${error.message}` };
  }
}
