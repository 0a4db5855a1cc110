/** Composes messages: the header, and as much of the news as there is room for. */
import type { NodeId } from '../../environment/index.ts';
import type { LivenessEffect } from './liveness-effect.ts';
import type { MemberRecord, MemberTable } from './member-table.ts';
import { rumourBytes } from './message-codec.ts';
import type { RumourQueue } from './rumour-queue.ts';
import { type Rumour, type SwimBody, withHeader } from './swim-message.ts';
import type { SwimOptions } from './swim-options.ts';

export interface SendOptions {
  /** What is held of this member goes first. */
  readonly about?: NodeId;
  /** The receiver knows other things than this node: what room is left is filled with what is held. */
  readonly isSync?: boolean;
}

const nothingMore: SendOptions = {};
const noRumours: readonly Rumour[] = [];

export class Outbox {
  readonly #table: MemberTable;
  readonly #queue: RumourQueue;
  readonly #options: SwimOptions;
  #effects: LivenessEffect[] = [];
  /** Where the next filling begins: after some exchanges everything was told. */
  #filledTo = 0;

  constructor(table: MemberTable, queue: RumourQueue, options: SwimOptions) {
    this.#table = table;
    this.#queue = queue;
    this.#options = options;
  }

  push(effect: LivenessEffect): void {
    this.#effects.push(effect);
  }

  take(): readonly LivenessEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  send(to: NodeId, body: SwimBody, options: SendOptions = nothingMore): void {
    const rumours = this.#choose(to, options);
    const { incarnation, attributes } = this.#table.self;
    const { digest } = this.#table;
    this.push({ kind: 'send', to, message: withHeader(body, { incarnation, attributes, digest, rumours }) });
  }

  /** The last words of this life. */
  sendGoodbye(to: NodeId): void {
    const { node, hash, incarnation, attributes } = this.#table.self;
    const accusers = [hash];
    const goodbye: Rumour = { node, status: 'dead', incarnation, attributes, accusers, isRefused: false };
    const { digest } = this.#table;
    const message = { kind: 'gossip', incarnation, attributes, digest, rumours: [goodbye] } as const;
    this.push({ kind: 'send', to, message });
  }

  /** SWIM §4.1: so often each node tells news. */
  get #timesToldMax(): number {
    const rounds = Math.ceil(Math.log2(this.#table.clusterSize + 1));
    return this.#options.retransmitFactor * rounds;
  }

  #choose(to: NodeId, { about, isSync = false }: SendOptions): readonly Rumour[] {
    const isQuiet = about === undefined && !isSync && this.#queue.isEmpty;
    if (isQuiet && this.#table.get(to)?.status === 'alive') return noRumours;
    const { rumourBytesMax, syncBytesMax } = this.#options;
    const chosen = new Map<NodeId, Rumour>();
    // While news is on its way digests differ anyhow.
    const isWorthIt = isSync && (this.#queue.isEmpty || this.#queue.isFull);
    let room = isWorthIt ? syncBytesMax : rumourBytesMax;
    const offer = (record: MemberRecord | undefined): boolean => {
      if (record === undefined || chosen.has(record.node)) return true;
      const rumour = rumourOf(record);
      if (rumour === undefined) return true;
      const bytes = rumourBytes(rumour);
      if (bytes > room) return false;
      room -= bytes;
      chosen.set(record.node, rumour);
      return true;
    };
    // Lifeguard §4.3, the buddy system: who is suspected hears it at the first opportunity.
    const receiver = this.#table.get(to);
    if (receiver?.status !== 'alive') offer(receiver);
    if (about !== undefined) offer(this.#table.get(about));
    // This node's own news is in every header.
    this.#queue.take(this.#timesToldMax, (node) => offer(this.#table.get(node)));
    if (isSync) this.#fill(offer);
    return [...chosen.values()];
  }

  #fill(offer: (record: MemberRecord) => boolean): void {
    const records = [...this.#table.records()];
    for (let i = 0; i < records.length; i += 1) {
      const at = (this.#filledTo + i) % records.length;
      if (offer(records[at]!)) continue;
      this.#filledTo = at;
      return;
    }
  }
}

function rumourOf(record: MemberRecord): Rumour | undefined {
  const { node, status, incarnation, attributes, accusers, isRefused } = record;
  if (status === 'unknown') return undefined;
  return { node, status, incarnation, attributes, accusers, isRefused };
}
