/**
 * Who is probed when, and what comes of it (SWIM §3.1, §4.3): one member of the rotation each protocol period;
 * besides, at once, those of whom there is a hint; and one knock now and then at the door of the dead, for a
 * partition that has healed is noticed by nobody else.
 */
import type { Instant, NodeId } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import type { LivenessRandom } from './liveness-random.ts';
import type { LocalHealth } from './local-health.ts';
import type { MemberTable } from './member-table.ts';
import type { Outbox, SendOptions } from './outbox.ts';
import { type Probe, ProbeBook } from './probe-book.ts';
import { RelayDuties, type RelayDuty } from './relay-duties.ts';
import type { Rotation } from './rotation.ts';
import type { SwimMessage } from './swim-message.ts';
import type { SwimOptions } from './swim-options.ts';

/** Probes under way; hints beyond them wait. */
const probesMax = 32;
/** Knocks in one period at members of whom there is doubt. */
const followUpsMax = 8;
/** So many knocks a period each dead member hears, from all others together. */
const knocksWanted = 4;
/** So many of those who hear of a suspicion try for themselves: a few more than it takes to confirm it. */
const confirmersWanted = 6;
/** A relay says that it failed before the asker gives up waiting for it. */
const relayShare = 0.8;

/** What probes find out. */
export interface ProbeFindings {
  /** The ping of that number, perhaps too late for the probe. */
  answered(node: NodeId, sequence: number, now: Instant): void;
  /** Not to this node in time, but to one that it asked. */
  answeredToOthers(node: NodeId, sequence: number, now: Instant): void;
  /** To nobody. `isRefused`: two found that its machine refuses connections. */
  silent(node: NodeId, isRefused: boolean, now: Instant): void;
  /** Members of whom this node should know more soon. */
  doubtful(): NodeId[];
}

export interface ProberParts {
  readonly options: SwimOptions;
  readonly table: MemberTable;
  readonly health: LocalHealth;
  readonly rotation: Rotation;
  readonly outbox: Outbox;
  readonly random: LivenessRandom;
  readonly findings: ProbeFindings;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #book = new ProbeBook();
  readonly #duties = new RelayDuties();
  readonly #hinted = new Set<NodeId>();
  /** Since when a member's machine has refused connections, as long as nothing was heard of it. */
  readonly #refusedSince = new Map<NodeId, number>();
  #nextPeriodAt = Number.POSITIVE_INFINITY;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  /** Begins to probe, somewhere in a period: nodes that start together should not march in step. */
  start(now: Instant): void {
    if (this.#nextPeriodAt !== Number.POSITIVE_INFINITY) return;
    this.#nextPeriodAt = now + this.#parts.random.fraction() * this.#parts.options.intervalMs;
  }

  deadline(): number {
    return Math.min(this.#nextPeriodAt, this.#book.deadline(), this.#duties.deadline());
  }

  postpone(byMs: number): void {
    this.#book.postpone(byMs);
    this.#duties.postpone(byMs);
  }

  /** The member is dead, or gone: its silence tells nothing new. */
  forget(node: NodeId): void {
    this.#book.end(node);
    this.#hinted.delete(node);
    this.#refusedSince.delete(node);
  }

  /** Others suspect it. Enough of those who hear so try for themselves. */
  seekConfirmation(node: NodeId): void {
    const { random, table } = this.#parts;
    if (random.fraction() * table.clusterSize < confirmersWanted) this.#hinted.add(node);
  }

  /** True if an answer was sent, which carries what `reply` says. */
  receive(from: NodeId, message: SwimMessage, reply: SendOptions, now: Instant): boolean {
    this.#refusedSince.delete(from);
    switch (message.kind) {
      case 'ping':
        this.#parts.outbox.send(from, { kind: 'ack', sequence: message.sequence }, reply);
        return true;
      case 'ack':
        this.#acked(from, message.sequence, now);
        return false;
      case 'ping-request':
        this.#relay(from, message.sequence, message.target, now);
        return false;
      case 'indirect-ack': {
        const probe = this.#book.numbered(message.sequence);
        if (probe?.target !== message.target || probe.relays?.has(from) !== true) return false;
        this.#book.end(probe.target);
        this.#parts.health.improve();
        this.#parts.findings.answeredToOthers(probe.target, probe.sequence, now);
        return false;
      }
      case 'nack':
        this.#nacked(from, message.sequence, message.isRefused, now);
        return false;
      case 'gossip':
        return false;
      default:
        return unreachable(message);
    }
  }

  disconnected(peer: NodeId, isRefused: boolean, now: Instant): void {
    if (this.#parts.table.get(peer) === undefined) return;
    if (!isRefused) {
      // At worst the probe is one too many; SWIM's judgement stays what it is.
      if (this.#parts.table.get(peer)!.status !== 'dead') this.#hinted.add(peer);
      return;
    }
    if (!this.#refusedSince.has(peer)) this.#refusedSince.set(peer, now);
    for (const duty of this.#duties.refused(peer)) this.#nack(duty, true);
    const probe = this.#book.of(peer);
    if (probe === undefined) return;
    probe.isRefused = true;
    if (probe.isKnock) this.#refusedAgain(peer, now);
    else if (probe.relays === undefined) this.#advance(probe, now);
  }

  wake(now: Instant): void {
    for (const duty of this.#duties.due(now)) this.#nack(duty, false);
    for (const probe of this.#book.due(now)) this.#advance(probe, now);
    if (this.#nextPeriodAt <= now) this.#beginPeriod(now);
    for (const node of this.#hinted) {
      if (this.#book.size >= probesMax) break;
      this.#hinted.delete(node);
      if (this.#book.of(node)?.isKnock !== false) this.#probe(node, now, false);
    }
  }

  #beginPeriod(now: Instant): void {
    const { options, health, rotation, table, findings } = this.#parts;
    this.#nextPeriodAt = now + options.intervalMs * health.probeFactor;
    if (rotation.size === 0) {
      this.#nextPeriodAt = Number.POSITIVE_INFINITY;
      return;
    }
    const isFree = (node: NodeId): boolean => this.#book.of(node) === undefined;
    const next = rotation.next((node) => table.get(node)!.status !== 'dead' && isFree(node));
    if (next !== undefined) this.#probe(next, now, false);
    const doubtful = findings.doubtful().filter(isFree);
    for (const node of this.#sample(doubtful, followUpsMax)) this.#probe(node, now, true);
    this.#knockAtTheDead(now);
  }

  #knockAtTheDead(now: Instant): void {
    const { table, random } = this.#parts;
    const wanted = (knocksWanted * table.dead.size) / table.clusterSize;
    if (random.fraction() >= wanted) return;
    for (const node of this.#sample([...table.dead], 1)) this.#probe(node, now, true);
  }

  #probe(target: NodeId, now: Instant, isKnock: boolean): void {
    const { outbox } = this.#parts;
    const { sequence } = this.#book.begin(target, now + this.#timeoutMs, isKnock);
    outbox.send(target, { kind: 'ping', sequence });
  }

  get #timeoutMs(): number {
    return this.#parts.options.timeoutMs * this.#parts.health.probeFactor;
  }

  #acked(from: NodeId, sequence: number, now: Instant): void {
    const { health, findings, outbox } = this.#parts;
    findings.answered(from, sequence, now);
    if (this.#book.numbered(sequence)?.target === from) {
      this.#book.end(from);
      health.improve();
    }
    const duty = this.#duties.fulfil(sequence, from);
    if (duty === undefined) return;
    const answer = { kind: 'indirect-ack', sequence: duty.askerSequence, target: from } as const;
    outbox.send(duty.asker, answer, { about: from });
  }

  #nacked(from: NodeId, sequence: number, isRefused: boolean, now: Instant): void {
    const probe = this.#book.numbered(sequence);
    if (probe?.relays?.has(from) !== true) return;
    probe.nacks.add(from);
    if (isRefused) probe.isRefusedToRelay = true;
    this.#failIfHopeless(probe, now);
  }

  /** The stage is over without an answer. */
  #advance(probe: Probe, now: Instant): void {
    if (probe.isKnock) {
      this.#book.end(probe.target);
    } else if (probe.relays === undefined) {
      this.#askOthers(probe, now);
      this.#failIfHopeless(probe, now);
    } else {
      this.#fail(probe, probe.relays, now);
    }
  }

  #askOthers(probe: Probe, now: Instant): void {
    const { rotation, table, outbox, options } = this.#parts;
    const { target, sequence } = probe;
    const relays = rotation.draw(
      options.relaysMax,
      (node) => node !== target && table.get(node)!.status === 'alive',
    );
    probe.relays = new Set(relays);
    probe.deadline = now + this.#timeoutMs;
    for (const relay of relays)
      outbox.send(relay, { kind: 'ping-request', sequence, target }, { about: target });
  }

  /** Refused here, and answered to none of those who were asked: there is nothing to wait for. */
  #failIfHopeless(probe: Probe, now: Instant): void {
    const { relays, nacks, isRefused } = probe;
    if (isRefused && relays !== undefined && nacks.size === relays.size) this.#fail(probe, relays, now);
  }

  #fail(probe: Probe, relays: ReadonlySet<NodeId>, now: Instant): void {
    const { health, findings } = this.#parts;
    const { target, nacks, isRefused, isRefusedToRelay } = probe;
    this.#book.end(target);
    // Lifeguard §4.1: those who owed an answer gave none, so perhaps nothing gets through to this node.
    if (nacks.size < relays.size) health.worsen();
    const isAgreed = relays.size > 0 ? isRefusedToRelay : this.#isRefusedForLong(target, now);
    findings.silent(target, isRefused && isAgreed, now);
  }

  /** Where nobody else is left to ask, the same finding a little later has to do. */
  #refusedAgain(node: NodeId, now: Instant): void {
    const { rotation, table, findings } = this.#parts;
    const others = rotation.draw(1, (other) => other !== node && table.get(other)!.status === 'alive');
    const { status } = table.get(node)!;
    if (status !== 'suspect' || others.length > 0 || !this.#isRefusedForLong(node, now)) return;
    findings.silent(node, true, now);
  }

  #isRefusedForLong(node: NodeId, now: Instant): boolean {
    const since = this.#refusedSince.get(node);
    return since !== undefined && now - since >= this.#parts.options.refusedMs;
  }

  #relay(asker: NodeId, askerSequence: number, target: NodeId, now: Instant): void {
    const { table, outbox, options } = this.#parts;
    if (this.#duties.isFull || table.get(target) === undefined) return;
    const deadline = now + options.timeoutMs * relayShare;
    const duty: RelayDuty = { asker, askerSequence, target, deadline };
    const refusedSince = this.#refusedSince.get(target);
    if (refusedSince !== undefined && now - refusedSince <= options.intervalMs) {
      this.#nack(duty, true);
      return;
    }
    const sequence = this.#book.nextSequence();
    this.#duties.begin(sequence, duty);
    outbox.send(target, { kind: 'ping', sequence });
  }

  #nack({ asker, askerSequence, target }: RelayDuty, isRefused: boolean): void {
    const { table, outbox } = this.#parts;
    if (table.get(asker) === undefined) return;
    outbox.send(asker, { kind: 'nack', sequence: askerSequence, target, isRefused });
  }

  #sample(nodes: NodeId[], count: number): NodeId[] {
    if (nodes.length <= count) return nodes;
    const from = Math.floor(this.#parts.random.fraction() * nodes.length);
    return Array.from({ length: count }, (_, i) => nodes[(from + i) % nodes.length]!);
  }
}
