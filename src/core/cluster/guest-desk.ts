/**
 * Answers nodes that are no members: those that want to join, and those that may have been removed.
 */
import { Buffer } from 'node:buffer';
import { encodeState, type Member } from '../topology/index.ts';
import { placeOf } from './followed-state.ts';
import { decodeGuestRequest, encodeGuestReply, type GuestReply, type GuestRequest } from './guest-message.ts';
import { isBeyond, type StatePlace } from './proposal.ts';
import type { ReplicatedClusterLog } from './replicated-cluster-log.ts';

const proposeMsMax = 10_000;
const pieceBytesMax = 4 * 1024 * 1024;

type RequestOf<Kind extends GuestRequest['kind']> = Extract<GuestRequest, { kind: Kind }>;

export class GuestDesk {
  readonly #log: ReplicatedClusterLog;
  readonly #isEntering: () => boolean;
  #admissions = 0;
  /** The state that guests are fetching; it must not change under them. */
  #fetched: { readonly of: StatePlace; readonly bytes: Buffer } | undefined;

  /** `isEntering`: this node is itself on its way into another cluster, as a guest there. */
  constructor(log: ReplicatedClusterLog, isEntering: () => boolean) {
    this.#log = log;
    this.#isEntering = isEntering;
  }

  /** Somebody is being let in just now. */
  get isAdmitting(): boolean {
    return this.#admissions > 0;
  }

  async answer(bytes: Buffer): Promise<Buffer> {
    const request = decodeGuestRequest(bytes);
    return encodeGuestReply(await this.#reply(request));
  }

  async #reply(request: GuestRequest | undefined): Promise<GuestReply> {
    switch (request?.kind) {
      case 'join':
        return this.#admit(request);
      case 'fetch':
        return this.#piece(request);
      case 'standing':
        return { kind: 'standing', standing: this.#standingOf(request) };
      default:
        return { kind: 'refused', code: 'version', reason: 'a question that this version does not know' };
    }
  }

  async #admit({ member, ringSize }: RequestOf<'join'>): Promise<GuestReply> {
    const { state } = this.#log;
    const refusal = whyNotAdmit(this.#log, member, ringSize);
    if (refusal !== undefined) return { kind: 'refused', ...refusal };
    if (state.members.get(member.node)?.instance !== member.instance) {
      // Whoever came in now would be left behind in a cluster that this node abandons.
      if (this.#isEntering()) {
        return { kind: 'unavailable', reason: `${this.#log.self} is joining another cluster itself` };
      }
      this.#admissions += 1;
      const outcome = await this.#log.propose({ kind: 'admit', member }, proposeMsMax);
      this.#admissions -= 1;
      if (outcome.kind === 'refused') return { kind: 'refused', ...outcome.refusal };
      if (outcome.kind === 'unavailable') return outcome;
    }
    return { kind: 'admitted', clusterId: state.clusterId };
  }

  #piece({ of, offset }: RequestOf<'fetch'>): GuestReply {
    const { state } = this.#log;
    const known = this.#fetched;
    const isSame =
      known !== undefined && of?.epoch === known.of.epoch && of.generation === known.of.generation;
    const fetched = isSame ? known : { of: placeOf(state), bytes: encodeState(state) };
    this.#fetched = fetched;
    const from = isSame ? offset : 0;
    const bytes = Buffer.from(fetched.bytes.subarray(from, from + pieceBytesMax));
    return { kind: 'state', of: fetched.of, offset: from, total: fetched.bytes.length, bytes };
  }

  #standingOf({ clusterId, node, instance, at }: RequestOf<'standing'>): 'member' | 'removed' | 'unknown' {
    const { state } = this.#log;
    if (clusterId !== state.clusterId) return 'unknown';
    if (state.members.get(node)?.instance === instance) return 'member';
    return isBeyond(placeOf(state), at) ? 'removed' : 'unknown';
  }
}

function whyNotAdmit(
  { state, self, isRemoved }: ReplicatedClusterLog,
  { node, instance }: Member,
  ringSize: number,
): { readonly code: string; readonly reason: string } | undefined {
  if (isRemoved) return { code: 'removed', reason: `${self} was itself removed from its cluster` };
  if (ringSize !== state.owners.length) {
    const reason = `the cluster's ring has ${state.owners.length} partitions, that of ${node} ${ringSize}`;
    return { code: 'ring_size', reason };
  }
  const known = state.members.get(node);
  if (known !== undefined && known.instance !== instance) {
    const rule = 'replace that member by force, or join under another name';
    return {
      code: 'name_taken',
      reason: `${node} is a member already, with another data directory: ${rule}`,
    };
  }
  return undefined;
}
