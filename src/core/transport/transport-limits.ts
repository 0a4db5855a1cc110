import type { Configuration } from '../../config/index.ts';
import type { TrafficClass } from './messenger.ts';

/** What the transport may use up, and how long it waits. Bytes and milliseconds. */
export interface TransportLimits {
  /** The longest message of a member. */
  readonly messageBytesMax: number;
  /** What may wait for a peer in each class; behind at most half of it one message always may, whatever its length. */
  readonly queueBytesMax: Readonly<Record<TrafficClass, number>>;
  readonly connectMsMax: number;
  /** From the connection to the welcome. */
  readonly handshakeMsMax: number;
  /** A peer that says nothing, or takes nothing, for so long has lost its connection. */
  readonly silenceMsMax: number;
  /** The longest pause between attempts to reach a peer. */
  readonly reconnectMsMax: number;
  /** Connections that have not proved anything yet, all together. */
  readonly handshakesMax: number;
  /** A guest's request, and its reply. */
  readonly guestBytesMax: number;
  readonly guestsMax: number;
}

export function transportLimits(configuration: Configuration): TransportLimits {
  return {
    messageBytesMax: configuration['cluster.message.maximum'],
    queueBytesMax: {
      control: configuration['cluster.queue.control.maximum'],
      foreground: configuration['cluster.queue.foreground.maximum'],
      repair: configuration['cluster.queue.repair.maximum'],
      handoff: configuration['cluster.queue.handoff.maximum'],
    },
    connectMsMax: configuration['cluster.connect_timeout'],
    handshakeMsMax: configuration['cluster.handshake_timeout'],
    silenceMsMax: configuration['cluster.silence_timeout'],
    reconnectMsMax: configuration['cluster.reconnect.maximum'],
    handshakesMax: 256,
    guestBytesMax: 16 * 2 ** 20,
    guestsMax: 16,
  };
}
