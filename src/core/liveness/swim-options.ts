import type { Configuration } from '../../config/index.ts';
import { assert } from '../../stdx/index.ts';

/** Every bound of the protocol. The defaults find a silent member dead after two to three seconds. */
export interface SwimOptions {
  /** A protocol period: the time between two probes of the rotation. */
  readonly intervalMs: number;
  /** How long a member has to answer a ping; the members that are asked to try it get as long again. */
  readonly timeoutMs: number;
  /** How long a suspected member has to refute, at least; `suspicionTimeouts` adds the time that news takes. */
  readonly suspicionMs: number;
  /** Lifeguard's β: how many times as long as long as nobody confirms the suspicion. */
  readonly suspicionFactor: number;
  /** The same, where the member's machine refuses connections and another member found so too. */
  readonly refusedMs: number;
  /** SWIM's k: members that are asked to ping one that does not answer. */
  readonly relaysMax: number;
  /** While there is news, so often it is told without waiting for a probe, to so many members. */
  readonly gossipIntervalMs: number;
  readonly gossipFanout: number;
  /** SWIM's λ: news is sent λ·log2(members) times by each that has heard it. */
  readonly retransmitFactor: number;
  /** Bytes of rumours in one message. */
  readonly rumourBytesMax: number;
  /** The same, in messages to one that knows other things than this node, while there is no news. */
  readonly syncBytesMax: number;
  /** A member that comes back for the second time within so long is taken for dead a little longer. */
  readonly flapWindowMs: number;
  /** Twice as long each time, beginning with the first of these. */
  readonly flapHoldMs: number;
  readonly flapHoldMsMax: number;
}

export const defaultSwimOptions: SwimOptions = {
  intervalMs: 500,
  timeoutMs: 200,
  suspicionMs: 1600,
  suspicionFactor: 3,
  refusedMs: 300,
  relaysMax: 3,
  gossipIntervalMs: 100,
  gossipFanout: 3,
  retransmitFactor: 2,
  rumourBytesMax: 1024,
  syncBytesMax: 4096,
  flapWindowMs: 60_000,
  flapHoldMs: 1000,
  flapHoldMsMax: 10_000,
};

/** Quiet times have more room, for what a node that was away has missed. */
const syncShare = 4;

export function swimOptionsOf(configuration: Configuration): SwimOptions {
  return {
    intervalMs: configuration['liveness.interval'],
    timeoutMs: configuration['liveness.timeout'],
    suspicionMs: configuration['liveness.suspicion'],
    suspicionFactor: configuration['liveness.suspicion_factor'],
    refusedMs: configuration['liveness.refused'],
    relaysMax: configuration['liveness.relays'],
    gossipIntervalMs: configuration['liveness.gossip_interval'],
    gossipFanout: configuration['liveness.gossip_fanout'],
    retransmitFactor: defaultSwimOptions.retransmitFactor,
    rumourBytesMax: configuration['liveness.message_size'],
    syncBytesMax: syncShare * configuration['liveness.message_size'],
    flapWindowMs: configuration['liveness.flap_window'],
    flapHoldMs: defaultSwimOptions.flapHoldMs,
    flapHoldMsMax: configuration['liveness.flap_hold_maximum'],
  };
}

export function checkOptions(options: SwimOptions): void {
  assert(options.intervalMs > 0, 'probes have a distance');
  assert(options.timeoutMs > 0, 'an answer takes time');
  assert(options.suspicionMs > 0, 'a suspected member has time to refute');
  assert(options.suspicionFactor >= 1, 'confirmation makes a suspicion shorter');
  assert(options.refusedMs > 0, 'a member that restarts has time to say so');
  assert(options.relaysMax >= 0, 'a number of members');
  assert(options.gossipIntervalMs > 0 && options.gossipFanout >= 1, 'news is told');
  assert(options.retransmitFactor >= 1, 'news is told at least once');
  assert(options.rumourBytesMax >= 512, 'any rumour fits');
  assert(options.syncBytesMax >= options.rumourBytesMax, 'quiet times have more room');
  assert(options.flapHoldMs <= options.flapHoldMsMax, 'the hold is bounded');
}
