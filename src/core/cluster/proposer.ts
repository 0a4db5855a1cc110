/**
 * Getting a command into the log from any node: to the leader, and again until it answers or the time is over.
 *
 *   P1. A proposal keeps its id through all attempts, so it is folded once (G1). A verdict is final.
 *   P2. The outcome is told when this node has folded what it speaks of: who proposed reads its own write.
 *   P3. What was proposed in one cluster is never sent to another, whose places would not tell it from its own (G2).
 */
import type { Buffer } from 'node:buffer';
import type { Environment, Instant, NodeId, Timer } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { type ClusterCommand, encodeCommand } from '../topology/index.ts';
import type { ProposeOutcome } from './cluster-log.ts';
import type { ClusterMessage, ProposalAnswer } from './cluster-message.ts';
import { encodeProposal, type StatePlace } from './proposal.ts';
import type { Verdict } from './verdict.ts';

/** Proposals of this node under way at once. */
const proposalsMax = 1024;
/** Without an answer for so long, another node is asked. */
const answerMsMax = 1000;
/** There is no leader, or not the one that was thought: elections take about a second. */
const retryMs = 50;
const lifeBytes = 8;

export interface ProposerParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random'>;
  readonly self: NodeId;
  readonly place: () => StatePlace;
  /** To the own replica, if it leads. Answers never from inside. */
  readonly proposeHere: (proposal: Buffer, answered: (answer: ProposalAnswer) => void) => void;
  readonly leads: () => boolean;
  readonly leader: () => NodeId | undefined;
  readonly others: () => readonly NodeId[];
  readonly send: (to: NodeId, message: ClusterMessage) => void;
  /** The node that led has folded up to here. */
  readonly saw: (place: StatePlace, from: NodeId | undefined) => void;
}

interface Attempt {
  readonly token: number;
  readonly proposal: Buffer;
  readonly generation: number;
  readonly endsAt: Instant;
  readonly finish: (outcome: ProposeOutcome) => void;
  readonly deadline: Timer;
  retry: Timer | undefined;
  askedOf: NodeId | undefined;
  verdict: Extract<Verdict, { kind: 'folded' }> | undefined;
  lastReason: string;
}

export class Proposer {
  readonly #parts: ProposerParts;
  readonly #life: string;
  readonly #attempts = new Map<number, Attempt>();
  #lastNumber = 0;
  #isClosed = false;

  constructor(parts: ProposerParts) {
    this.#parts = parts;
    this.#life = parts.environment.random.bytes(lifeBytes).toString('hex');
  }

  propose(command: ClusterCommand, timeoutMs: number): Promise<ProposeOutcome> {
    if (this.#isClosed) return Promise.resolve({ kind: 'unavailable', reason: 'this node stops' });
    if (this.#attempts.size >= proposalsMax) {
      return Promise.resolve({
        kind: 'unavailable',
        reason: 'too many changes of the cluster are under way',
      });
    }
    const { environment, self, place } = this.#parts;
    this.#lastNumber += 1;
    const token = this.#lastNumber;
    const proposal = encodeProposal({
      proposer: self,
      life: this.#life,
      number: token,
      madeAt: place(),
      command: encodeCommand(command),
    });
    return new Promise((finish) => {
      const attempt: Attempt = {
        token,
        proposal,
        generation: place().generation,
        endsAt: (environment.clock.now() + timeoutMs) as Instant,
        finish,
        deadline: environment.timers.after(timeoutMs, () => this.#timeOut(token)),
        retry: undefined,
        askedOf: undefined,
        verdict: undefined,
        lastReason: 'no voter answered in time',
      };
      this.#attempts.set(token, attempt);
      this.#try(attempt);
    });
  }

  /** A message `proposed`. */
  answered(from: NodeId, token: number, answer: ProposalAnswer): void {
    const attempt = this.#attempts.get(token);
    // An answer is as good late as in time; but "elsewhere" counts only from who was asked last.
    if (attempt === undefined || (answer.kind === 'elsewhere' && attempt.askedOf !== from)) return;
    this.#take(attempt, answer, from);
  }

  /** The state has changed: what was agreed may be here now. */
  folded(): void {
    for (const attempt of [...this.#attempts.values()]) this.#finishIfHere(attempt);
  }

  /** Another leads: whoever was asked before will not answer. */
  leaderChanged(): void {
    for (const attempt of [...this.#attempts.values()]) {
      if (attempt.verdict === undefined && attempt.askedOf !== this.#parts.leader()) this.#try(attempt);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.giveUp('this node stops');
  }

  /** Whether what is under way will have happened is not found out. */
  giveUp(reason: string): void {
    for (const attempt of [...this.#attempts.values()])
      this.#finish(attempt, { kind: 'unavailable', reason });
  }

  #try(attempt: Attempt): void {
    const { environment, leads, self, proposeHere, send } = this.#parts;
    attempt.retry?.cancel();
    if (leads()) {
      attempt.askedOf = self;
      attempt.retry = undefined;
      proposeHere(attempt.proposal, (answer) => {
        if (this.#attempts.has(attempt.token)) this.#take(attempt, answer, self);
      });
      return;
    }
    const to = this.#whom(attempt);
    attempt.askedOf = to;
    const timeoutMs = Math.floor(attempt.endsAt - environment.clock.now());
    if (to === undefined) attempt.lastReason = 'this node has no quorum, and knows nobody who leads';
    else if (timeoutMs > 0) {
      send(to, { kind: 'propose', token: attempt.token, timeoutMs, proposal: attempt.proposal });
    }
    this.#retryAfter(attempt, to === undefined ? retryMs : answerMsMax);
  }

  /** The leader; if it was asked and did not answer, or nobody knows it, anybody: who knows better says so. */
  #whom({ askedOf }: Attempt): NodeId | undefined {
    const leader = this.#parts.leader();
    if (leader !== undefined && leader !== this.#parts.self && leader !== askedOf) return leader;
    const others = this.#parts.others();
    if (others.length === 0) return undefined;
    return others[this.#parts.environment.random.u32() % others.length];
  }

  #take(attempt: Attempt, answer: ProposalAnswer, from: NodeId): void {
    if (attempt.verdict !== undefined) return;
    switch (answer.kind) {
      case 'elsewhere': {
        const leader = this.#parts.leader();
        const isKnown = leader !== undefined && leader !== from;
        attempt.lastReason = 'the voters have no leader';
        this.#retryAfter(attempt, isKnown ? 0 : retryMs);
        break;
      }
      case 'too-large':
        this.#finish(attempt, {
          kind: 'refused',
          refusal: {
            code: 'too_large',
            reason: 'the change is larger than an entry of the cluster log may be',
          },
        });
        break;
      case 'judged':
        this.#judged(attempt, answer.verdict, from);
        break;
    }
  }

  #judged(attempt: Attempt, verdict: Verdict, from: NodeId): void {
    if (verdict.kind === 'late') {
      this.#finish(attempt, {
        kind: 'unavailable',
        reason: 'this node was far behind the cluster; whether the change was made is not known any more',
      });
      return;
    }
    attempt.verdict = verdict;
    attempt.lastReason = 'agreed, but this node has not heard of it yet';
    attempt.retry?.cancel();
    if (this.#finishIfHere(attempt)) return;
    this.#parts.saw({ generation: attempt.generation, epoch: verdict.epoch }, from);
  }

  #finishIfHere(attempt: Attempt): boolean {
    const { verdict, generation } = attempt;
    const place = this.#parts.place();
    if (verdict === undefined) return false;
    if (place.generation > generation) {
      this.#finish(attempt, { kind: 'unavailable', reason: 'the cluster was recovered meanwhile' });
      return true;
    }
    if (place.epoch < verdict.epoch) return false;
    const { refusal, epoch } = verdict;
    this.#finish(attempt, refusal === undefined ? { kind: 'applied', epoch } : { kind: 'refused', refusal });
    return true;
  }

  #retryAfter(attempt: Attempt, delayMs: number): void {
    attempt.retry?.cancel();
    attempt.retry = this.#parts.environment.timers.after(delayMs, () => this.#try(attempt));
  }

  #timeOut(token: number): void {
    const attempt = this.#attempts.get(token);
    if (attempt !== undefined) this.#finish(attempt, { kind: 'unavailable', reason: attempt.lastReason });
  }

  #finish(attempt: Attempt, outcome: ProposeOutcome): void {
    assert(this.#attempts.delete(attempt.token), 'an attempt ends once');
    attempt.deadline.cancel();
    attempt.retry?.cancel();
    attempt.finish(outcome);
  }
}
