import type { NodeId } from '../../environment/index.ts';
import type { TrafficClass } from './messenger.ts';

/** Told what the transport does, for metrics. Called often: count and return. */
export interface TransportObserver {
  /** A turn's messages, given to the connection. */
  sent(to: NodeId, traffic: TrafficClass, messages: number, bytes: number): void;
  received(from: NodeId, traffic: TrafficClass, messages: number, bytes: number): void;
  /** A message that the queue had no room for. */
  refused(to: NodeId, traffic: TrafficClass): void;
  /** Messages that waited for a peer which was not reached in time, or whose connection broke. */
  dropped(to: NodeId, traffic: TrafficClass, messages: number): void;
  connected(peer: NodeId, traffic: TrafficClass): void;
  disconnected(peer: NodeId, traffic: TrafficClass): void;
}

export const noTransportObserver: TransportObserver = {
  sent: () => undefined,
  received: () => undefined,
  refused: () => undefined,
  dropped: () => undefined,
  connected: () => undefined,
  disconnected: () => undefined,
};
