/**
 * Messages between nodes over framed streams: one connection for each peer and traffic class, shared by both
 * directions, made when first needed. docs/internals/transport.md tells why, and numbers what must hold.
 */
import { Buffer } from 'node:buffer';
import type {
  Address,
  Connection,
  ConnectionHandler,
  Environment,
  Instant,
  Listener,
  Network,
  NodeId,
} from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import { acceptPeer, type Door } from './accept-peer.ts';
import { BufferPool } from './buffer-pool.ts';
import { type DialOutcome, dialPeer, type LocalEnd } from './dial-peer.ts';
import { messageHeadBytes, messagesHeadBytes } from './frame-kind.ts';
import { askAsGuest, GuestDoor, type GuestHandler } from './guest-door.ts';
import type { Hello, PeerIdentity, Refusal } from './handshake.ts';
import { listenerRefusal } from './listener-refusal.ts';
import type {
  Channel,
  DisconnectReason,
  MessageFill,
  MessageHandler,
  Messenger,
  TrafficClass,
} from './messenger.ts';
import type { PeerConnection } from './peer-connection.ts';
import { type Dial, type LinkHost, linkTickMs, PeerLink } from './peer-link.ts';
import { trafficClasses } from './traffic-class.ts';
import type { TransportLimits } from './transport-limits.ts';
import { noTransportObserver, type TransportObserver } from './transport-observer.ts';

/** A stranger who knocks for ever must not fill the log. */
const refusalsLoggedMax = 20;
const refusalsLoggedPerMs = 10_000;

/**
 * Who heard nothing of its own clock for so long was stopped, or had no processor. Others may have given it up, and
 * may have asked somebody else for what waits in its sockets: done now, it would be done twice, the second time
 * behind what came after (R09). Shorter than liveness takes to call a node dead.
 */
const sleepMsMax = 1500;

export interface TcpMessengerOptions {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  /** With TLS or without; see `Connection.certifiedNames`. */
  readonly network: Network;
  readonly identity: PeerIdentity;
  /** What all nodes of the cluster know; undefined or empty: none. */
  readonly secret?: string | undefined;
  readonly isEncrypted?: boolean;
  /** Lets a listener be opened beyond this machine without a secret and TLS. */
  readonly allowsStrangers?: boolean;
  readonly limits: TransportLimits;
  readonly observer?: TransportObserver;
}

type DisconnectHandler = (peer: NodeId, traffic: TrafficClass, reason: DisconnectReason) => void;

export interface PeerMember {
  readonly address: Address;
  readonly instance: string;
}

interface Peer {
  member: PeerMember;
  capabilities: ReadonlyMap<string, number> | undefined;
  readonly links: Map<TrafficClass, PeerLink>;
}

export class TcpMessenger implements Messenger, LinkHost, Door {
  readonly environment: TcpMessengerOptions['environment'];
  readonly limits: TransportLimits;
  readonly observer: TransportObserver;
  readonly pool = new BufferPool();
  readonly #options: TcpMessengerOptions;
  readonly #secret: Buffer;
  #identity: PeerIdentity;
  readonly #handlers: (MessageHandler | undefined)[] = [];
  readonly #told: DisconnectHandler[] = [];
  readonly #peers = new Map<NodeId, Peer>();
  #isUp: (peer: NodeId) => boolean = () => true;
  readonly #strangerListeners: (() => void)[] = [];
  #guestDoor: GuestDoor | undefined;
  #listener: Listener | undefined;
  readonly #handshakes = new Set<PeerConnection>();
  #output: PeerLink[] = [];
  #spareOutput: PeerLink[] = [];
  #tick: { cancel(): void } | undefined;
  #refusalsLogged = { count: 0, sinceMs: 0 };
  #awakeAt: Instant;
  #isClosed = false;
  #isHeld = false;
  readonly #flush = (): void => this.#flushOutput();

  constructor(options: TcpMessengerOptions) {
    this.#options = options;
    this.environment = options.environment;
    this.limits = options.limits;
    this.observer = options.observer ?? noTransportObserver;
    this.#identity = options.identity;
    this.#secret = Buffer.from(options.secret ?? '', 'utf8');
    this.#awakeAt = options.environment.clock.now();
  }

  get self(): NodeId {
    return this.#identity.node;
  }

  get messageBytesMax(): number {
    return this.limits.messageBytesMax;
  }

  get identity(): PeerIdentity {
    return this.#identity;
  }

  /** Opens the door to other nodes. Rejects with a `NetworkError`, or an `InsecureListenerError`. */
  async listen(address: Address): Promise<Address> {
    assert(this.#listener === undefined, 'a messenger listens once');
    const { secret, isEncrypted = false, allowsStrangers = false, network } = this.#options;
    const hasSecret = secret !== undefined && secret !== '';
    const refusal = listenerRefusal(address, { hasSecret, isEncrypted, allowsStrangers });
    if (refusal !== undefined) throw refusal;
    if (!hasSecret && !isEncrypted) {
      // Where only this machine can knock, that is how a first node starts.
      const level = allowsStrangers ? 'warn' : 'info';
      this.environment.log[level]('nodes are not authenticated: neither cluster.secret nor TLS is set', {
        host: address.host,
        port: address.port,
      });
    }
    this.#listener = await network.listen(address, (connection) => this.#accept(connection));
    return this.#listener.address;
  }

  /** Turns away whoever calls, until `release`: what answers them is not ready yet. Own calls go out. */
  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
  }

  /** Who the others are, by the topology; this node itself is skipped. Who is not among them is cut off (C9). */
  setPeers(members: ReadonlyMap<NodeId, PeerMember>): void {
    for (const [node, peer] of [...this.#peers]) {
      if (members.get(node)?.instance !== peer.member.instance) this.#forget(node, peer);
    }
    for (const [node, member] of members) {
      if (node === this.self) continue;
      const known = this.#peers.get(node);
      if (known === undefined) this.#peers.set(node, { member, capabilities: undefined, links: new Map() });
      else known.member = member;
    }
    this.#armTick();
  }

  /** This node is of another cluster now, or says something else of itself. Connections of the old cluster are cut. */
  setIdentity(changes: Partial<Omit<PeerIdentity, 'node' | 'instance'>>): void {
    const before = this.#identity;
    this.#identity = { ...before, ...changes };
    if (this.#identity.clusterId === before.clusterId) return;
    for (const [node, peer] of [...this.#peers]) this.#forget(node, peer);
  }

  /** What liveness thinks, asked when a peer was not reached. */
  setReachability(isUp: (peer: NodeId) => boolean): void {
    this.#isUp = isUp;
  }

  /** Liveness heard of the peer: attempts that wait are made now. */
  peerUp(peer: NodeId): void {
    for (const link of this.#peers.get(peer)?.links.values() ?? []) link.peerUp();
  }

  /** Something came by it a moment ago, or it would have been given up (`silenceMsMax`). */
  isConnected(peer: NodeId, traffic: TrafficClass): boolean {
    return this.#peers.get(peer)?.links.get(traffic)?.isConnected === true;
  }

  /** What the peer said of itself when it connected last; undefined: nothing yet. */
  capabilitiesOf(peer: NodeId): ReadonlyMap<string, number> | undefined {
    return this.#peers.get(peer)?.capabilities;
  }

  /** Answers nodes that are no members. A rejection of `handle` is a bug and ends the node. */
  onGuest(handle: GuestHandler): void {
    assert(this.#guestDoor === undefined, 'guests have one host');
    this.#guestDoor = new GuestDoor(this.#end(), handle);
  }

  /** Asks a node of another cluster. Rejects with `GuestRefusedError` or a `NetworkError`. */
  askAsGuest(address: Address, request: Buffer, timeoutMs = 30_000): Promise<Buffer> {
    assert(request.length <= this.limits.guestBytesMax, 'a guest asks briefly');
    return askAsGuest(this.#end(), address, request, timeoutMs);
  }

  /** Calls `told` when a peer refuses this node as no member, by what it knows. */
  onStranger(told: () => void): void {
    this.#strangerListeners.push(told);
  }

  receive(on: Channel, handle: MessageHandler): void {
    assert(this.#handlers[on] === undefined, 'a channel has one receiver');
    this.#handlers[on] = handle;
  }

  send(
    to: NodeId,
    traffic: TrafficClass,
    on: Channel,
    length: number,
    fill: MessageFill,
    tail?: Buffer,
  ): boolean {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#isClosed) return false;
    const link = peer.links.get(traffic) ?? this.#makeLink(to, peer, traffic);
    return link.send(on, length, fill, tail);
  }

  queuedBytes(to: NodeId, traffic: TrafficClass): number {
    return this.#peers.get(to)?.links.get(traffic)?.queuedBytes ?? 0;
  }

  /** What waits for all peers together. */
  queuedBytesOf(traffic: TrafficClass): number {
    let bytes = 0;
    for (const peer of this.#peers.values()) bytes += peer.links.get(traffic)?.queuedBytes ?? 0;
    return bytes;
  }

  whenWritable(to: NodeId, traffic: TrafficClass, run: () => void): void {
    const link = this.#peers.get(to)?.links.get(traffic);
    if (link === undefined) run();
    else link.whenWritable(run);
  }

  onDisconnect(told: DisconnectHandler): void {
    this.#told.push(told);
  }

  /** Stops listening and drops all connections and queues. Nobody is told of disconnects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#tick?.cancel();
    this.#guestDoor?.close();
    const closing = new NetworkError('other', 'this node closes');
    for (const stream of [...this.#handshakes]) stream.fail(closing);
    for (const peer of this.#peers.values()) for (const link of peer.links.values()) link.close();
    this.#peers.clear();
    await this.#listener?.close();
  }

  // What links ask of their host.

  hasSlept(): boolean {
    const now = this.environment.clock.now();
    const sleptMs = now - this.#awakeAt;
    this.#awakeAt = now;
    if (sleptMs <= sleepMsMax) return false;
    this.environment.log.warn('this process did not run for a while; what waited for it is dropped', {
      ms: Math.round(sleptMs),
    });
    for (const peer of [...this.#peers.values()]) {
      for (const [traffic, link] of [...peer.links]) if (traffic !== 'control') link.forgetUnread();
    }
    return true;
  }

  handlerOf(on: number): MessageHandler | undefined {
    return this.#handlers[on];
  }

  isUp(peer: NodeId): boolean {
    return this.#isUp(peer);
  }

  dial(link: PeerLink): Dial {
    const { member } = this.#peers.get(link.peer)!;
    const plan = {
      purpose: 'member',
      traffic: link.traffic,
      to: link.peer,
      address: member.address,
      instance: member.instance,
      frameBytesMax: this.#frameBytesMax,
    } as const;
    const dial = dialPeer(this.#end(), plan, (outcome) => this.#dialled(link, dial, outcome));
    return dial;
  }

  hasOutput(link: PeerLink): void {
    this.#output.push(link);
    if (this.#output.length === 1) this.environment.tasks.endOfTurn(this.#flush);
  }

  disconnected(link: PeerLink, reason: DisconnectReason = 'broken'): void {
    for (const told of this.#told) told(link.peer, link.traffic, reason);
  }

  // What the door decides.

  addressHostOf(hello: Hello): string | undefined {
    return this.#peers.get(hello.peer.node)?.member.address.host;
  }

  greet(hello: Hello): { readonly kind: 'mark'; readonly mark: number } | Refusal {
    if (hello.purpose === 'guest') return { kind: 'mark', mark: 0 };
    const link = this.#peers.get(hello.peer.node)?.links.get(hello.traffic);
    if (link?.isDialDecisive === true) return crossed;
    return { kind: 'mark', mark: link?.opened ?? 0 };
  }

  admit(hello: Hello, mark: number): Refusal | undefined {
    if (hello.purpose === 'guest') {
      if (this.#guestDoor === undefined) return { code: 'stranger', reason: `${this.self} takes no guests` };
      return this.#guestDoor.hasRoom ? undefined : { code: 'busy', reason: 'too many guests' };
    }
    const { node, instance } = hello.peer;
    const peer = this.#peers.get(node);
    if (peer === undefined)
      return { code: 'stranger', reason: `${node} is no member, as ${this.self} knows` };
    if (peer.member.instance !== instance) {
      return { code: 'stranger', reason: `${node} is another instance than the member of that name` };
    }
    const link = peer.links.get(hello.traffic);
    if (link === undefined) return undefined;
    return link.isDialDecisive || link.opened !== mark ? crossed : undefined;
  }

  welcomed(hello: Hello, stream: PeerConnection): void {
    if (hello.purpose === 'guest') {
      this.#guestDoor!.serve(stream);
      return;
    }
    const { node, capabilities } = hello.peer;
    const peer = this.#peers.get(node)!;
    peer.capabilities = capabilities;
    const link = peer.links.get(hello.traffic) ?? this.#makeLink(node, peer, hello.traffic);
    link.established(stream, this.#frameBytesMax);
  }

  refused(hello: Hello | undefined, refusal: Refusal, connection: Connection): void {
    if (refusal.code === 'crossed') return;
    const { host, port } = connection.remote;
    this.#logRefusal('a node was refused', refusal, { peer: hello?.peer.node, host, port });
  }

  left(): void {
    // `#accept` keeps the count.
  }

  get #frameBytesMax(): number {
    return this.limits.messageBytesMax + messageHeadBytes + messagesHeadBytes + 1;
  }

  #end(): LocalEnd {
    const { environment, network } = this.#options;
    return { environment, network, limits: this.limits, secret: this.#secret, identity: this.#identity };
  }

  #accept(connection: Connection): ConnectionHandler {
    const door: Door = {
      addressHostOf: (hello) => this.addressHostOf(hello),
      greet: (hello) => this.greet(hello),
      admit: (hello, mark) => this.admit(hello, mark),
      welcomed: (hello, stream) => this.welcomed(hello, stream),
      refused: (hello, refusal, refusedOne) => this.refused(hello, refusal, refusedOne),
      left: () => this.#handshakes.delete(accepted),
    };
    const accepted = acceptPeer(this.#end(), door, connection);
    this.#handshakes.add(accepted);
    const isBusy = this.#handshakes.size > this.limits.handshakesMax;
    if (isBusy || this.#isHeld || this.#isClosed) accepted.fail(new Error('busy'));
    return accepted;
  }

  #dialled(link: PeerLink, dial: Dial, outcome: DialOutcome): void {
    if (outcome.kind === 'welcome') {
      const peer = this.#peers.get(link.peer);
      if (peer !== undefined) peer.capabilities = outcome.peer.capabilities;
      link.established(outcome.stream);
      return;
    }
    if (outcome.kind === 'refused' && outcome.refusal.code !== 'crossed') {
      const text = outcome.byPeer ? 'a node refused us' : 'a node is not who was meant';
      this.#logRefusal(text, outcome.refusal, { peer: link.peer });
      if (outcome.byPeer && outcome.refusal.code === 'stranger') {
        for (const told of this.#strangerListeners) told();
      }
    }
    const isCrossed = outcome.kind === 'refused' && outcome.refusal.code === 'crossed';
    const nobodyListens = outcome.kind === 'failed' && outcome.error.code === 'refused';
    link.dialFailed(dial, isCrossed, nobodyListens ? 'refused' : 'broken');
  }

  #makeLink(node: NodeId, peer: Peer, traffic: TrafficClass): PeerLink {
    assert(trafficClasses.includes(traffic), 'the class exists');
    const link = new PeerLink(node, traffic, this);
    peer.links.set(traffic, link);
    this.#armTick();
    return link;
  }

  #forget(node: NodeId, peer: Peer): void {
    this.#peers.delete(node);
    for (const link of peer.links.values()) {
      link.close();
      this.disconnected(link);
    }
  }

  #flushOutput(): void {
    const due = this.#output;
    this.#output = this.#spareOutput;
    for (const link of due) link.flush();
    due.length = 0;
    this.#spareOutput = due;
  }

  #armTick(): void {
    if (this.#tick !== undefined || this.#isClosed || this.#peers.size === 0) return;
    this.#awakeAt = this.environment.clock.now();
    this.#tick = this.environment.timers.after(linkTickMs, () => {
      this.#tick = undefined;
      this.hasSlept();
      // Also where a link that ticks is told that its peer has gone: iteration goes on behind what is deleted.
      for (const peer of this.#peers.values()) for (const link of peer.links.values()) link.tick();
      this.#armTick();
    });
  }

  #logRefusal(text: string, refusal: Refusal, about: Record<string, string | number | undefined>): void {
    const nowMs = this.environment.clock.now();
    if (nowMs - this.#refusalsLogged.sinceMs > refusalsLoggedPerMs) {
      this.#refusalsLogged = { count: 0, sinceMs: nowMs };
    }
    this.#refusalsLogged.count += 1;
    if (this.#refusalsLogged.count > refusalsLoggedMax) return;
    // A node that is joining, or has just left, is between two clusters for a moment.
    const isPassing = refusal.code === 'cluster' || refusal.code === 'stranger';
    const level = isPassing ? 'info' : 'warn';
    this.environment.log[level](text, { ...about, code: refusal.code, reason: refusal.reason });
  }
}

const crossed: Refusal = { code: 'crossed', reason: 'both ends dialled, and the other connection is kept' };
