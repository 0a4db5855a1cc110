import type { Instant } from '../../environment/index.ts';
import type { Token } from '../event.ts';
import type { PeerId } from '../peer-id.ts';

/**
 * Handing leadership over (Raft §3.10): no new proposals, the target is brought up to date, then told to
 * begin an election. If it has not happened by `endsAt`, the leader goes on.
 */
export class LeaderTransfer {
  readonly token: Token;
  readonly to: PeerId;
  readonly endsAt: Instant;
  isAsked = false;

  constructor(token: Token, to: PeerId, endsAt: Instant) {
    this.token = token;
    this.to = to;
    this.endsAt = endsAt;
  }
}
