/**
 * What this node holds of each member: the newest that was said of it. Statements about a member are ordered
 * (SWIM §4.2): a higher incarnation beats a lower one, and with the same incarnation dead beats suspect beats
 * alive. Only the member itself raises its incarnation; so all who have heard everything hold the same.
 */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { type MemberStatus, type StatusCause, statusTransitions } from './member-status.ts';
import { accusersMax, type Rumour } from './swim-message.ts';

export interface MemberRecord {
  readonly node: NodeId;
  readonly hash: number;
  readonly status: MemberStatus;
  readonly incarnation: number;
  readonly attributes: number;
  readonly accusers: readonly number[];
  readonly isRefused: boolean;
}

/** What a rumour did: told nothing new, added weight to a suspicion, or replaced what was held. */
export type Heard =
  | { readonly kind: 'stale' }
  | { readonly kind: 'confirmed'; readonly record: MemberRecord }
  /** Another has judged a member that is under suspicion here. Told again by each who says so. */
  | { readonly kind: 'condemned'; readonly record: MemberRecord }
  | { readonly kind: 'changed'; readonly record: MemberRecord; readonly cause: StatusCause };

const stale: Heard = { kind: 'stale' };
const digestOfStatus = { unknown: 0, alive: 1, suspect: 2, dead: 3 } as const;

export class MemberTable {
  readonly #records = new Map<NodeId, MemberRecord>();
  readonly #dead = new Set<NodeId>();
  #self: MemberRecord;
  #digest: number;

  constructor(self: NodeId, incarnation: number, attributes: number) {
    this.#self = { ...unknownMember(self), status: 'alive', incarnation, attributes };
    this.#digest = digestOf(this.#self);
  }

  /** Of this node, which is no member of its own table. */
  get self(): MemberRecord {
    return this.#self;
  }

  /** With this node. */
  get clusterSize(): number {
    return this.#records.size + 1;
  }

  /** Of everything held, whatever the order in which it came. 0 .. 2^32-1. */
  get digest(): number {
    return this.#digest;
  }

  get(node: NodeId): MemberRecord | undefined {
    return this.#records.get(node);
  }

  get dead(): ReadonlySet<NodeId> {
    return this.#dead;
  }

  records(): IterableIterator<MemberRecord> {
    return this.#records.values();
  }

  add(node: NodeId): void {
    assert(!this.#records.has(node) && node !== this.#self.node, 'a member is added once');
    this.#records.set(node, unknownMember(node));
  }

  remove(node: NodeId): void {
    const record = this.#records.get(node);
    assert(record !== undefined, 'a member is removed once');
    this.#digest = (this.#digest - digestOf(record)) >>> 0;
    this.#records.delete(node);
    this.#dead.delete(node);
  }

  speakForSelf(incarnation: number, attributes: number): void {
    assert(incarnation >= this.#self.incarnation, 'an incarnation never falls');
    this.#digest = (this.#digest - digestOf(this.#self)) >>> 0;
    this.#self = { ...this.#self, incarnation, attributes };
    this.#digest = (this.#digest + digestOf(this.#self)) >>> 0;
  }

  /** Takes in what was said of a member. */
  hear(rumour: Rumour): Heard {
    const held = this.#records.get(rumour.node);
    if (held === undefined || rumour.incarnation < held.incarnation) return stale;
    const isNewer = rumour.incarnation > held.incarnation || held.status === 'unknown';
    if (isNewer) return this.#replace(held, rumour, causeOf(rumour, held));
    if (rumour.status === 'alive' || held.status === 'dead') return stale;
    const cause = causeOf(rumour, held);
    if (held.status === 'alive' || cause === 'told-goodbye') return this.#replace(held, rumour, cause);
    return this.#confirm(held, rumour, cause);
  }

  /** This node's own finding. `accuser` is its hash. */
  accuse(node: NodeId, accuser: number, isRefused: boolean): Heard {
    const held = this.#records.get(node);
    if (held === undefined) return stale;
    const rumour: Rumour = { ...held, status: 'suspect', accusers: [accuser], isRefused };
    if (held.status === 'suspect') return this.#confirm(held, rumour, 'probe-failed');
    return this.#replace(held, rumour, 'probe-failed');
  }

  condemn(node: NodeId): Heard {
    const held = this.#records.get(node);
    if (held === undefined) return stale;
    return this.#replace(held, { ...held, status: 'dead' }, 'suspicion-expired');
  }

  #replace(held: MemberRecord, rumour: Rumour, cause: StatusCause): Heard {
    const status = statusTransitions[held.status][cause];
    if (status === undefined) return stale;
    const { incarnation, attributes, isRefused } = rumour;
    const accusers = status === 'alive' ? [] : rumour.accusers.slice(0, accusersMax);
    const { node, hash } = held;
    const record = { node, hash, status, incarnation, attributes, accusers, isRefused };
    this.#put(held, record);
    return { kind: 'changed', record, cause };
  }

  /** More witnesses of the same suspicion (Lifeguard §4.2). Another's word of death is the last that it takes. */
  #confirm(held: MemberRecord, rumour: Rumour, cause: StatusCause): Heard {
    const added = rumour.accusers.filter((accuser) => !held.accusers.includes(accuser));
    const accusers = [...held.accusers, ...added].slice(0, accusersMax);
    const isRefused = held.isRefused || rumour.isRefused;
    const record = { ...held, accusers, isRefused };
    if (cause === 'told-dead') {
      this.#put(held, record);
      return { kind: 'condemned', record };
    }
    if (accusers.length === held.accusers.length && isRefused === held.isRefused) return stale;
    this.#put(held, record);
    return { kind: 'confirmed', record };
  }

  #put(held: MemberRecord, record: MemberRecord): void {
    this.#digest = (this.#digest - digestOf(held) + digestOf(record)) >>> 0;
    this.#records.set(record.node, record);
    if (record.status === 'dead') this.#dead.add(record.node);
    else this.#dead.delete(record.node);
  }
}

function causeOf(rumour: Rumour, held: MemberRecord): StatusCause {
  if (rumour.status === 'alive') return 'told-alive';
  if (rumour.status === 'suspect') return 'told-suspect';
  return rumour.accusers.includes(held.hash) ? 'told-goodbye' : 'told-dead';
}

function unknownMember(node: NodeId): MemberRecord {
  const hash = hashOfName(node);
  return { node, hash, status: 'unknown', incarnation: 0, attributes: 0, accusers: [], isRefused: false };
}

/** FNV-1a, finished so that like names part. */
export function hashOfName(name: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < name.length; i += 1) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return mix(hash);
}

function digestOf({ hash, status, incarnation, attributes }: MemberRecord): number {
  if (status === 'unknown') return 0;
  const low = incarnation | 0;
  const high = Math.floor(incarnation / 2 ** 32);
  return mix(hash ^ mix(low ^ mix(high ^ mix(attributes ^ digestOfStatus[status]))));
}

function mix(value: number): number {
  let hash = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
