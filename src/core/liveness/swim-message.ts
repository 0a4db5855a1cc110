/** What nodes say to each other about who is reachable. docs/internals/liveness.md has the table. */
import type { NodeId } from '../../environment/index.ts';

export type SwimMessage = SwimHeader & SwimBody;

/** Of each message: what the sender says of itself, and what it has heard of others. */
export interface SwimHeader {
  readonly incarnation: number;
  readonly attributes: number;
  /** Of all that the sender knows: two with equal digests know the same. */
  readonly digest: number;
  readonly rumours: readonly Rumour[];
}

export type SwimBody =
  | { readonly kind: 'ping'; readonly sequence: number }
  | { readonly kind: 'ack'; readonly sequence: number }
  /** Try `target` for me. `sequence` is the asker's, and comes back in the answer. */
  | { readonly kind: 'ping-request'; readonly sequence: number; readonly target: NodeId }
  | { readonly kind: 'indirect-ack'; readonly sequence: number; readonly target: NodeId }
  /** Lifeguard: the target did not answer, but I did. */
  | { readonly kind: 'nack'; readonly sequence: number; readonly target: NodeId; readonly isRefused: boolean }
  /** Nothing but the header. */
  | { readonly kind: 'gossip' };

export type SwimMessageKind = SwimBody['kind'];

/** Two in three messages are of the first two kinds, and to spread objects over others costs more than all else they do. */
export function withHeader(body: SwimBody, header: SwimHeader): SwimMessage {
  if (body.kind !== 'ping' && body.kind !== 'ack') return { ...body, ...header };
  const { kind, sequence } = body;
  const { incarnation, attributes, digest, rumours } = header;
  return { kind, sequence, incarnation, attributes, digest, rumours };
}

export type RumourStatus = 'alive' | 'suspect' | 'dead';

export interface Rumour {
  readonly node: NodeId;
  readonly status: RumourStatus;
  /** 1 or more in every life; 0 of a member of which nothing has ever been heard. */
  readonly incarnation: number;
  /** What the member said of itself with this incarnation. */
  readonly attributes: number;
  /** Names, hashed, of those who found that it does not answer; itself, when it says goodbye. */
  readonly accusers: readonly number[];
  /** Two found that its machine refuses connections: nobody listens there. */
  readonly isRefused: boolean;
}

/** Room for confirmations without end, or for numbers that count no more, is not needed. */
export const accusersMax = 4;
export const incarnationMax = 2 ** 52;
