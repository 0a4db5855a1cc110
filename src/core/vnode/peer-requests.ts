/**
 * Requests to vnodes of other nodes, and their requests to ours.
 *
 * P1. Each request gets exactly one last reply: the peer's, or what the codec makes of the reason why there is none:
 *     the peer cannot be reached, a queue is full, the time is up. Nothing is sent twice.
 * P2. Every message carries its sender's (generation, epoch); who sees a higher one than its own is told (C1).
 * P3. A request that names this node as the partition's primary by an outdated epoch is not served: `moved`.
 * P4. A request says how many milliseconds its asker still waits; one that waited longer in a queue is dropped.
 * P5. A reply in parts is whole or none: after a part that found no room comes only `unheard`.
 * P6. After `overload` nothing has happened: a request that was served ends in `unheard` if its reply finds no room.
 * P7. What no message can hold is answered at once, by the codec's `tooLarge`: waiting would not help.
 *
 * Request: kind, flags, partition (2), id (4), generation (4), epoch (4), remaining ms (4), body. Reply: kind, flags,
 * 2 unused, id (4), generation (4), epoch (4), body. A complaint is a reply without a body, its flags the
 * reason. Numbers are big-endian.
 */
import type { Buffer } from 'node:buffer';
import { type Environment, type NodeId, RareNotices } from '../../environment/index.ts';
import { SlotTable } from '../../stdx/index.ts';
import type { Partition } from '../ring/index.ts';
import {
  type Channel,
  channel,
  type MessageFill,
  type Messenger,
  tooLargeForMessage,
} from '../transport/index.ts';
import { Deadlines } from './deadlines.ts';
import { Flights, PendingRequest } from './pending-request.ts';
import type { VnodeCodec } from './vnode-codec.ts';
import type { PeerTransport, RequestRoute } from './vnode-router.ts';
import type { VnodeService } from './vnode-service.ts';

const kindRequest = 1;
const kindReply = 2;
const kindComplaint = 3;
const requestHeadBytes = 20;
const replyHeadBytes = 16;
const flagPrimary = 1;
const flagRepair = 2;
const complaintUnheard = 1;
const complaintMalformed = 2;
/** Replies without room for which a complaint is kept until there is; the rest end at the asker's deadline. */
const complaintsMax = 4096;
const uint32Max = 0xffff_ffff;

export interface EpochMark {
  readonly generation: number;
  readonly epoch: number;
}

export interface PeerRequestsOptions<Request, Reply> {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log'>;
  readonly messenger: Messenger;
  readonly local: VnodeService<Request, Reply>;
  readonly codec: VnodeCodec<Request, Reply>;
  /** Default: that of vnodes. */
  readonly on?: Channel;
  /** This node's own; a `ClusterState` is one. */
  epoch(): EpochMark;
  /** A peer named an epoch beyond ours. */
  sawEpoch(generation: number, epoch: number, from: NodeId): void;
  /** Whether this node serves a request whose sender knows the ring of `epoch` (P3). `malformed`: there is no such partition. */
  admits(partition: Partition, epoch: number, primary: boolean): 'serve' | 'moved' | 'malformed';
  /** Requests to one peer that wait for their last reply; one more is `overload`. */
  readonly inFlightMax: number;
}

export interface PeerRequestCounts {
  readonly inFlight: number;
  readonly timeouts: number;
  readonly unreachable: number;
  readonly overloads: number;
  readonly served: number;
  /** Dropped unserved, because their askers had given up. */
  readonly tooLate: number;
  readonly moved: number;
  readonly malformed: number;
  /** Requests, and replies, that were longer than a message may be. */
  readonly tooLarge: number;
}

export class PeerRequests<Request, Reply> implements PeerTransport<Request, Reply> {
  readonly #options: PeerRequestsOptions<Request, Reply>;
  readonly #messenger: Messenger;
  readonly #codec: VnodeCodec<Request, Reply>;
  readonly #channel: Channel;
  readonly #deadlines: Deadlines;
  readonly #notices: RareNotices;
  readonly #pending = new SlotTable<PendingRequest<Request, Reply>>();
  readonly #flights = new Map<NodeId, Flights<Request, Reply>>();
  readonly #complaints = new Map<NodeId, number[]>();
  #isClosed = false;
  readonly #counts = {
    timeouts: 0,
    unreachable: 0,
    overloads: 0,
    served: 0,
    tooLate: 0,
    moved: 0,
    malformed: 0,
    tooLarge: 0,
  };
  /** What `#fillRequest` and `#fillReply` write: closures of their own would cost one for each message. */
  readonly #outgoing: Outgoing<Request, Reply> = {
    partition: 0,
    flags: 0,
    id: 0,
    timeoutMs: 0,
    request: undefined,
    reply: undefined,
  };
  readonly #fillRequest: MessageFill = (into, at) => this.#writeRequest(into, at);
  readonly #fillReply: MessageFill = (into, at) => this.#writeReply(into, at);

  constructor(options: PeerRequestsOptions<Request, Reply>) {
    this.#options = options;
    this.#messenger = options.messenger;
    this.#codec = options.codec;
    const { clock, timers } = options.environment;
    this.#deadlines = new Deadlines(clock, timers);
    this.#notices = new RareNotices(options.environment.log, clock, tooLargeForMessage);
    this.#channel = options.on ?? channel.vnode;
    this.#messenger.receive(this.#channel, (from, body, waitedMs = 0, mayKeep = false) =>
      this.#receive(from, body, waitedMs, mayKeep),
    );
    this.#messenger.onDisconnect((peer, traffic) => {
      if (traffic === 'foreground' || traffic === 'repair') this.#failFlight(peer, traffic);
    });
  }

  get counts(): PeerRequestCounts {
    return { ...this.#counts, inFlight: this.#pending.size };
  }

  send(
    to: NodeId,
    partition: Partition,
    request: Request,
    route: RequestRoute,
    reply: (reply: Reply) => void,
  ): void {
    if (this.#isClosed) {
      reply(this.#codec.unanswered('unreachable'));
      return;
    }
    if (route.timeoutMs <= 0) {
      this.#counts.timeouts += 1;
      reply(this.#codec.unanswered('timeout'));
      return;
    }
    const length = requestHeadBytes + this.#codec.requestBytes(request);
    const refusal = this.#tooLarge(to, request, length, false);
    if (refusal !== undefined) {
      reply(refusal);
      return;
    }
    let flights = this.#flights.get(to);
    if (flights === undefined) {
      flights = new Flights();
      this.#flights.set(to, flights);
    }
    const outgoing = this.#outgoing;
    outgoing.partition = partition;
    outgoing.flags = (route.primary ? flagPrimary : 0) | (route.traffic === 'repair' ? flagRepair : 0);
    outgoing.id = this.#pending.next();
    outgoing.timeoutMs = Math.min(Math.ceil(route.timeoutMs), uint32Max);
    outgoing.request = request;
    const hasRoom = flights.count < this.#options.inFlightMax;
    const { traffic } = route;
    const tail = this.#codec.requestTail?.(request);
    if (!hasRoom || !this.#messenger.send(to, traffic, this.#channel, length, this.#fillRequest, tail)) {
      outgoing.request = undefined;
      // A queue that refuses and holds nothing belongs to a node that is no member.
      const isFull = !hasRoom || this.#messenger.queuedBytes(to, traffic) > 0;
      this.#counts[isFull ? 'overloads' : 'unreachable'] += 1;
      reply(this.#codec.unanswered(isFull ? 'overload' : 'unreachable'));
      return;
    }
    outgoing.request = undefined;
    const pending = new PendingRequest(this, flights, outgoing.id, to, traffic, reply);
    this.#pending.set(pending.id, pending);
    flights.of(traffic).add(pending);
    flights.count += 1;
    this.#deadlines.set(pending, route.timeoutMs);
  }

  /** Liveness gave the peer up: who waits for it waits in vain. */
  peerDown(peer: NodeId): void {
    this.#failFlight(peer, 'foreground');
    this.#failFlight(peer, 'repair');
  }

  /** Requests under way are forgotten without an answer, and nobody is asked or answered any more: for a node that stops. */
  close(): void {
    this.#isClosed = true;
    this.#deadlines.close();
    this.#pending.clear();
    this.#flights.clear();
  }

  /** For a request whose time is up. */
  expired(pending: PendingRequest<Request, Reply>): void {
    this.#counts.timeouts += 1;
    this.#settle(pending);
    pending.reply(this.#codec.unanswered('timeout'));
  }

  #receive(from: NodeId, body: Buffer, waitedMs: number, mayKeep: boolean): void {
    if (this.#isClosed) return;
    if (body.length < replyHeadBytes) {
      this.#malformed(from, 'message');
      return;
    }
    const kind = body[0];
    const id = body.readUInt32BE(4);
    this.#compareEpoch(body.readUInt32BE(8), body.readUInt32BE(12), from);
    if (kind === kindReply) this.#replied(from, id, body, mayKeep);
    else if (kind === kindRequest && body.length >= requestHeadBytes)
      this.#requested(from, id, body, waitedMs, mayKeep);
    else if (kind === kindComplaint) this.#complained(from, id, body[1]!);
    else this.#malformed(from, 'message');
  }

  #requested(from: NodeId, id: number, body: Buffer, waitedMs: number, mayKeep: boolean): void {
    const flags = body[1]!;
    if (waitedMs >= body.readUInt32BE(16)) {
      this.#counts.tooLate += 1;
      return;
    }
    const traffic = (flags & flagRepair) === 0 ? 'foreground' : 'repair';
    const request = this.#codec.readRequest(body.subarray(requestHeadBytes), mayKeep);
    const partition = body.readUInt16BE(2) as Partition;
    const epoch = this.#comparableEpoch(body.readUInt32BE(8), body.readUInt32BE(12));
    const verdict = this.#options.admits(partition, epoch, (flags & flagPrimary) !== 0);
    if (request === undefined || verdict === 'malformed') {
      this.#malformed(from, 'request');
      this.#complain(from, traffic, id, complaintMalformed);
      return;
    }
    if (verdict === 'moved') {
      this.#counts.moved += 1;
      this.#answer(from, traffic, id, request, this.#codec.moved(this.#options.epoch().epoch));
      return;
    }
    this.#counts.served += 1;
    let isBroken = false;
    this.#options.local.handle(partition, request, (reply) => {
      if (!isBroken) isBroken = !this.#answer(from, traffic, id, request, reply);
    });
  }

  /** False: the asker hears something else instead, `unheard` as soon as there is room for it. */
  #answer(to: NodeId, traffic: RequestRoute['traffic'], id: number, request: Request, reply: Reply): boolean {
    if (this.#isClosed) return true;
    const length = replyHeadBytes + this.#codec.replyBytes(reply);
    const refusal = this.#tooLarge(to, request, length, true);
    if (refusal !== undefined) {
      this.#answer(to, traffic, id, request, refusal);
      return false;
    }
    this.#outgoing.id = id;
    this.#outgoing.reply = reply;
    const tail = this.#codec.replyTail?.(reply);
    const isSent = this.#messenger.send(to, traffic, this.#channel, length, this.#fillReply, tail);
    this.#outgoing.reply = undefined;
    if (!isSent) this.#complainLater(to, traffic, id);
    return isSent;
  }

  /** Undefined: a message holds it, or the codec has no word for that. */
  #tooLarge(to: NodeId, request: Request, length: number, isServed: boolean): Reply | undefined {
    const bytesMax = this.#messenger.messageBytesMax;
    if (length <= bytesMax || this.#codec.tooLarge === undefined) return undefined;
    this.#counts.tooLarge += 1;
    this.#notices.warn(() => ({ to, ...this.#codec.subjectOf?.(request), bytes: length, bytesMax }));
    return this.#codec.tooLarge(request, length, bytesMax, isServed);
  }

  #replied(from: NodeId, id: number, body: Buffer, mayKeep: boolean): void {
    const pending = this.#pending.get(id);
    // Answered, given up, or never asked of that peer.
    if (pending === undefined || pending.peer !== from) return;
    const reply = this.#codec.readReply(body.subarray(replyHeadBytes), mayKeep);
    if (reply === undefined) {
      this.#malformed(from, 'reply');
      this.#fail(pending, 'unreachable');
      return;
    }
    if (this.#codec.isLast(reply)) {
      this.#deadlines.clear(pending);
      this.#settle(pending);
    }
    pending.reply(reply);
  }

  #complained(from: NodeId, id: number, reason: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.peer !== from) return;
    this.#fail(pending, reason === complaintUnheard ? 'unheard' : 'unreachable');
  }

  #fail(pending: PendingRequest<Request, Reply>, reason: 'unreachable' | 'unheard'): void {
    this.#deadlines.clear(pending);
    this.#settle(pending);
    this.#counts[reason === 'unheard' ? 'overloads' : 'unreachable'] += 1;
    pending.reply(this.#codec.unanswered(reason));
  }

  #settle(pending: PendingRequest<Request, Reply>): void {
    this.#pending.delete(pending.id);
    pending.flights.of(pending.traffic).remove(pending);
    pending.flights.count -= 1;
  }

  /** Whoever asks anew while hearing of it asks by the next connection. */
  #failFlight(peer: NodeId, traffic: RequestRoute['traffic']): void {
    const flight = this.#flights.get(peer)?.of(traffic);
    if (flight === undefined) return;
    for (const pending of flight.all()) {
      if (this.#pending.get(pending.id) === pending) this.#fail(pending, 'unreachable');
    }
  }

  #compareEpoch(generation: number, epoch: number, from: NodeId): void {
    const own = this.#options.epoch();
    const isBeyond = generation === own.generation ? epoch > own.epoch : generation > own.generation;
    if (isBeyond) this.#options.sawEpoch(generation, epoch, from);
  }

  /** The epoch as this node counts: one of an earlier generation is older than any, of a later newer. */
  #comparableEpoch(generation: number, epoch: number): number {
    const own = this.#options.epoch().generation;
    if (generation === own) return epoch;
    return generation < own ? 0 : Number.MAX_SAFE_INTEGER;
  }

  #complain(to: NodeId, traffic: RequestRoute['traffic'], id: number, reason: number): boolean {
    return this.#messenger.send(to, traffic, this.#channel, replyHeadBytes, (into, at) => {
      this.#writeHead(into, at, kindComplaint, reason, 0, id);
    });
  }

  #complainLater(to: NodeId, traffic: RequestRoute['traffic'], id: number): void {
    const waiting = this.#complaints.get(to);
    if (waiting !== undefined) {
      if (waiting.length < complaintsMax) waiting.push(id);
      return;
    }
    const ids = [id];
    this.#complaints.set(to, ids);
    this.#messenger.whenWritable(to, traffic, () => {
      this.#complaints.delete(to);
      for (const each of ids) this.#complain(to, traffic, each, complaintUnheard);
    });
  }

  #malformed(from: NodeId, what: string): void {
    this.#counts.malformed += 1;
    // One line, and then one for each thousand: a peer of another build would say it without end.
    if (this.#counts.malformed % 1000 !== 1) return;
    const count = this.#counts.malformed;
    this.#options.environment.log.warn(`a peer sent a ${what} that cannot be read`, { from, count });
  }

  #writeRequest(into: Buffer, at: number): void {
    const { partition, flags, id, timeoutMs, request } = this.#outgoing;
    this.#writeHead(into, at, kindRequest, flags, partition, id);
    into.writeUInt32BE(timeoutMs, at + replyHeadBytes);
    this.#codec.writeRequest(request!, into, at + requestHeadBytes);
  }

  #writeReply(into: Buffer, at: number): void {
    this.#writeHead(into, at, kindReply, 0, 0, this.#outgoing.id);
    this.#codec.writeReply(this.#outgoing.reply!, into, at + replyHeadBytes);
  }

  #writeHead(into: Buffer, at: number, kind: number, flags: number, partition: number, id: number): void {
    const { generation, epoch } = this.#options.epoch();
    into[at] = kind;
    into[at + 1] = flags;
    into.writeUInt16BE(partition, at + 2);
    into.writeUInt32BE(id, at + 4);
    into.writeUInt32BE(generation, at + 8);
    into.writeUInt32BE(epoch, at + 12);
  }
}

interface Outgoing<Request, Reply> {
  partition: number;
  flags: number;
  id: number;
  timeoutMs: number;
  request: Request | undefined;
  reply: Reply | undefined;
}
