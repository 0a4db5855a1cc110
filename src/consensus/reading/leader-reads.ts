/** Linearizable reads at a leader: by asking a quorum, or by lease (Raft §6.4, §6.4.1). */
import type { Instant } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Token } from '../event.ts';
import { quorumValue } from '../membership/quorum.ts';
import type { ReplicaState } from '../replica-state.ts';
import type { Replicator } from '../replication/replicator.ts';
import { HeartbeatRounds } from './heartbeat-rounds.ts';
import { ReadQueue } from './read-queue.ts';

export class LeaderReads {
  readonly #state: ReplicaState;
  readonly #replicator: Replicator;
  readonly #rounds = new HeartbeatRounds();
  readonly #queue = new ReadQueue();
  #mayLease = true;

  constructor(state: ReplicaState, replicator: Replicator) {
    this.#state = state;
    this.#replicator = replicator;
  }

  get isFull(): boolean {
    return this.#queue.size >= this.#state.options.readsMax;
  }

  get lastBegunAt(): Instant | undefined {
    return this.#rounds.lastBegunAt;
  }

  beginRound(now: Instant): void {
    this.#replicator.heartbeat(this.#rounds.begin(now));
  }

  add(token: Token, now: Instant): void {
    const { commit } = this.#state;
    this.#countRounds();
    if (this.#hasLease(now)) this.#queue.addConfirmed(token, commit);
    // Only a round that begins after the read came proves anything about it.
    else this.#queue.add(token, this.#rounds.current + 1, commit);
  }

  /** Begins the round that reads wait for, unless one is under way, and notes what was answered. */
  settle(now: Instant): void {
    this.#countRounds();
    const { current, answered } = this.#rounds;
    const isUnderWay = answered < current;
    if (this.#queue.wantedRound > current && !isUnderWay) {
      this.beginRound(now);
      this.#countRounds();
    }
    this.#queue.answered(this.#rounds.answered);
  }

  answer(): void {
    const { applied, outbox } = this.#state;
    for (const { token, index } of this.#queue.takeReady(applied)) {
      assert(index <= applied, 'a read sees all that was committed when it came');
      outbox.push({ kind: 'read-ready', token, index });
    }
  }

  giveUpLease(): void {
    this.#mayLease = false;
  }

  takeAll(): readonly Token[] {
    return this.#queue.takeAll();
  }

  #hasLease(now: Instant): boolean {
    const { leaseDriftMax, electionTimeoutMs } = this.#state.options;
    if (leaseDriftMax === undefined || !this.#mayLease) return false;
    const end = this.#rounds.leaseEnd(electionTimeoutMs, leaseDriftMax);
    return end !== undefined && now < end;
  }

  #countRounds(): void {
    const { log, id } = this.#state;
    const { current } = this.#rounds;
    const roundOf = (peer: (typeof log.membership.voters)[number]): number =>
      peer === id ? current : (this.#replicator.of(peer)?.round ?? 0);
    this.#rounds.quorumAnswered(quorumValue(log.membership, roundOf));
  }
}
