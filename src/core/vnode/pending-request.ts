/** Requests to other nodes that wait for their last reply. */
import type { NodeId } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { Deadline } from './deadlines.ts';
import type { RequestRoute } from './vnode-router.ts';

export interface PendingOwner<Request, Reply> {
  expired(pending: PendingRequest<Request, Reply>): void;
}

export class PendingRequest<Request, Reply> extends Deadline {
  readonly id: number;
  readonly peer: NodeId;
  readonly traffic: RequestRoute['traffic'];
  readonly reply: (reply: Reply) => void;
  readonly flights: Flights<Request, Reply>;
  readonly #owner: PendingOwner<Request, Reply>;
  /** Links of its flight's list; owned by `Flight`. */
  before: PendingRequest<Request, Reply> | undefined;
  after: PendingRequest<Request, Reply> | undefined;

  constructor(
    owner: PendingOwner<Request, Reply>,
    flights: Flights<Request, Reply>,
    id: number,
    peer: NodeId,
    traffic: RequestRoute['traffic'],
    reply: (reply: Reply) => void,
  ) {
    super();
    this.#owner = owner;
    this.flights = flights;
    this.id = id;
    this.peer = peer;
    this.traffic = traffic;
    this.reply = reply;
  }

  override expired(): void {
    this.#owner.expired(this);
  }
}

/** Requests to one peer, by the connection that carries them. */
export class Flights<Request, Reply> {
  count = 0;
  readonly #foreground = new Flight<Request, Reply>();
  readonly #repair = new Flight<Request, Reply>();

  of(traffic: RequestRoute['traffic']): Flight<Request, Reply> {
    return traffic === 'foreground' ? this.#foreground : this.#repair;
  }
}

/** Requests in the order in which they were sent. */
class Flight<Request, Reply> {
  first: PendingRequest<Request, Reply> | undefined;
  last: PendingRequest<Request, Reply> | undefined;

  add(pending: PendingRequest<Request, Reply>): void {
    pending.before = this.last;
    if (this.last === undefined) this.first = pending;
    else this.last.after = pending;
    this.last = pending;
  }

  all(): readonly PendingRequest<Request, Reply>[] {
    const all: PendingRequest<Request, Reply>[] = [];
    for (let each = this.first; each !== undefined; each = each.after) all.push(each);
    return all;
  }

  remove(pending: PendingRequest<Request, Reply>): void {
    assert(pending.before !== undefined || this.first === pending, 'a request is in its flight');
    if (pending.before === undefined) this.first = pending.after;
    else pending.before.after = pending.after;
    if (pending.after === undefined) this.last = pending.before;
    else pending.after.before = pending.before;
    pending.before = undefined;
    pending.after = undefined;
  }
}
