/**
 * One end of a simulated TCP connection. It keeps the real one's promises (runtime's
 * socket-connection.ts) and no more: writes of a turn leave together, arrive in other pieces, and
 * the chunk lent to `data` is overwritten after the call, so that whoever kept it is found out.
 */
import { Buffer } from 'node:buffer';
import { type Address, type Connection, type ConnectionHandler, NetworkError } from '../environment/index.ts';
import { CongestedFlow } from './congested-flow.ts';
import { keepAliveMsMax, retransmitMsMax, type SimulatedNetwork } from './simulated-network.ts';
import type { Life } from './simulated-process.ts';
import type { SwitchPort } from './switch-port.ts';

const queueHighBytes = 256 * 1024;
const queueLowBytes = 64 * 1024;
/** What the receiving kernel takes in, and acknowledges, while its process does not read. */
const receiveWindowBytes = 128 * 1024;
const segmentBytesMax = 64 * 1024;
const splitProbability = 0.1;
const overwrittenWith = 0xdd;
/** As the runtime's: how long a peer may keep its half open. */
const lingerMsMax = 10_000;
const retransmitAfterHealMsMax = 200;
/** How often a kernel repeats an acknowledgement or a farewell that a cut swallowed. */
const retellMs = 1000;
/** Virtual times are sums of fractions. */
const roundingMs = 1e-6;

/** Bytes under way, or the end of the stream. */
type Segment = { readonly bytes: Buffer | 'end'; arrivesAtMs: number };

export class SimulatedConnection implements Connection {
  readonly remote: Address;
  readonly life: Life;
  readonly #network: SimulatedNetwork;
  #peer: SimulatedConnection | undefined;
  #handler: ConnectionHandler | undefined;
  #phase: 'open' | 'ending' | 'closed' = 'open';
  #gathered: Uint8Array[] = [];
  #isFlushAsked = false;
  #queuedBytes = 0;
  #isAboveMark = false;
  /** On their way back, in no particular order to speak of; only a full queue waits for them. */
  readonly #acknowledged: { readonly atMs: number; readonly length: number }[] = [];
  /** Sent and not yet arrived, in order. Its head waits while the link is cut or the window shut. */
  readonly #underWay: Segment[] = [];
  #stalled: Segment | undefined;
  /** Through the switch port before the peer, if there is one. */
  #flow: CongestedFlow | undefined;
  #lineFreeAtMs = 0;
  #lastArrivalMs = 0;
  /** Arrived and not read, because the process paused reading. */
  readonly #unread: Segment[] = [];
  #unreadBytes = 0;
  #isReadingPaused = false;
  #isEndDelivered = false;
  #closedWith: { readonly error: NetworkError | undefined } | undefined;
  #hasReceivedEnd = false;
  // Made once: each segment of a run of millions wants them.
  readonly #flushGathered = (): void => this.#flush();
  readonly #deliverDue = (): void => this.#deliver();
  readonly #readArrived = (): void => this.#readUnread();

  constructor(network: SimulatedNetwork, life: Life, remote: Address) {
    this.#network = network;
    this.life = life;
    this.remote = remote;
  }

  pair(peer: SimulatedConnection): void {
    this.#peer = peer;
    peer.#peer = this;
  }

  /** Called once. The stream may have bytes already, or be over. */
  handleWith(handler: ConnectionHandler): void {
    this.#handler = handler;
    if (this.#closedWith !== undefined) this.life.plan(0, () => this.#tellClosed());
    else if (this.#unread.length > 0) this.life.plan(0, () => this.#readUnread());
  }

  get #host(): string {
    return this.life.process.host;
  }

  get #peerHost(): string {
    return this.#peer!.#host;
  }

  isBetween(a: string, b: string): boolean {
    const [near, far] = [this.#host, this.#peerHost];
    return (near === a && far === b) || (near === b && far === a);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#phase !== 'open' || this.life.isOver) return false;
    this.#gathered.push(bytes);
    this.#queuedBytes += bytes.length;
    if (!this.#isFlushAsked) {
      this.#isFlushAsked = true;
      this.life.endOfTurn(this.#flushGathered);
    }
    if (!this.#isAboveMark && this.queuedBytes >= queueHighBytes) this.#watchQueue();
    return !this.#isAboveMark;
  }

  get queuedBytes(): number {
    const { nowMs } = this.#network.world;
    while (this.#acknowledged.length > 0 && this.#acknowledged[0]!.atMs <= nowMs) {
      this.#queuedBytes = Math.max(0, this.#queuedBytes - this.#acknowledged.shift()!.length);
    }
    return this.#queuedBytes;
  }

  pause(): void {
    this.#isReadingPaused = true;
  }

  resume(): void {
    if (!this.#isReadingPaused || this.life.isOver) return;
    this.#isReadingPaused = false;
    this.life.plan(0, () => this.#readUnread());
  }

  end(): void {
    if (this.#phase !== 'open' || this.life.isOver) return;
    this.#flush();
    this.#phase = 'ending';
    this.#send('end');
    this.resume();
  }

  destroy(): void {
    if (this.#phase === 'closed' || this.life.isOver) return;
    this.#phase = 'ending';
    this.#dropQueue();
    this.life.plan(0, () => this.#close(undefined));
    this.#tellPeerGone();
  }

  /** Both ends learn, soon, that the connection broke. */
  break(code: NetworkError['code'], message: string): void {
    for (const end of [this, this.#peer!]) {
      if (end.#phase === 'closed') continue;
      end.#dropQueue();
      end.life.plan(this.#network.random.between(0, 1), () => end.#close(new NetworkError(code, message)));
      if (end.life.isOver) end.#leave();
    }
  }

  lifeEnded(isPowerCut: boolean): void {
    this.#phase = 'closed';
    this.#dropQueue();
    this.#leave();
    if (isPowerCut) this.#leavePeerHalfOpen();
    else this.#tellPeerGone();
  }

  linkHealed(): void {
    if (this.#underWay.length === 0) return;
    const { world, random } = this.#network;
    world.after(random.between(0, retransmitAfterHealMsMax), () => this.#deliver());
  }

  #flush(): void {
    this.#isFlushAsked = false;
    if (this.#gathered.length === 0 || this.#phase !== 'open') return;
    // A copy: the writer's bytes must not change, but the receiver's will.
    const bytes = Buffer.concat(this.#gathered);
    this.#gathered.length = 0;
    this.#network.countWrite(bytes.length);
    const { random } = this.#network;
    let sent = 0;
    while (sent < bytes.length) {
      const whole = Math.min(bytes.length - sent, segmentBytesMax);
      const length = random.chance(splitProbability) ? 1 + random.below(whole) : whole;
      this.#send(length === bytes.length ? bytes : bytes.subarray(sent, sent + length));
      sent += length;
    }
  }

  /** The line carries one segment after the other; each then has its way to go, and none overtakes. */
  #send(bytes: Segment['bytes']): void {
    const { world } = this.#network;
    const port = this.#network.portTo(this.#peerHost);
    if (port !== undefined) {
      this.#sendThrough(port, bytes);
      return;
    }
    const { bytesPerMs } = this.#network.link(this.#host, this.#peerHost);
    const length = bytes === 'end' ? 0 : bytes.length;
    this.#lineFreeAtMs = Math.max(world.nowMs, this.#lineFreeAtMs) + length / bytesPerMs;
    const arrivesAtMs = this.#lineFreeAtMs + this.#network.latencyMs(this.#host, this.#peerHost);
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivesAtMs);
    this.#underWay.push({ bytes, arrivesAtMs: this.#lastArrivalMs });
    world.after(this.#lastArrivalMs - world.nowMs, this.#deliverDue);
  }

  #sendThrough(port: SwitchPort, bytes: Segment['bytes']): void {
    const { world } = this.#network;
    const thereMs = this.#network.link(this.#host, this.#peerHost).floorMs;
    const backMs = this.#network.link(this.#peerHost, this.#host).floorMs;
    this.#flow ??= new CongestedFlow(world, { port, thereMs, backMs });
    const segment: Segment = { bytes, arrivesAtMs: Number.POSITIVE_INFINITY };
    this.#underWay.push(segment);
    this.#flow.send(bytes === 'end' ? 0 : bytes.length, () => {
      segment.arrivesAtMs = world.nowMs;
      this.#deliver();
    });
  }

  /** Hands over what has arrived, in order. What waits at the head holds up all behind it. */
  #deliver(): void {
    const { world } = this.#network;
    for (;;) {
      const head = this.#underWay[0];
      if (head === undefined || head.arrivesAtMs > world.nowMs + roundingMs) return;
      const peer = this.#peer!;
      if (this.#isPeerSilent()) {
        this.#stall(head);
        return;
      }
      if (peer.#phase === 'closed') {
        // The other side knows no such connection (any more) and says so.
        this.#dropQueue();
        const isOnlyEnd = head.bytes === 'end';
        this.life.plan(this.#network.latencyMs(this.#peerHost, this.#host), () =>
          this.#resetByPeer(isOnlyEnd),
        );
        return;
      }
      if (peer.#unreadBytes >= receiveWindowBytes) return;
      this.#underWay.shift();
      peer.#arrived(head);
      this.#acknowledge(head);
    }
  }

  #isPeerSilent(): boolean {
    return this.#network.isCut(this.#host, this.#peerHost) || this.#network.isPoweredOff(this.#peerHost);
  }

  /** The sender's kernel repeats itself until the link heals, or gives up. */
  #stall(head: Segment): void {
    if (this.#stalled === head) return;
    this.#stalled = head;
    this.#network.world.after(retransmitMsMax, () => {
      if (this.#underWay[0] !== head) return;
      this.#stalled = undefined;
      if (!this.#isPeerSilent()) {
        this.#deliver();
        return;
      }
      this.#leavePeerHalfOpen();
      this.life.happens(() => this.#close(new NetworkError('timeout', 'the peer does not acknowledge')));
    });
  }

  /** From now on somebody waits for the queue to drain. */
  #watchQueue(): void {
    this.#isAboveMark = true;
    const { world } = this.#network;
    for (const { atMs, length } of this.#acknowledged.splice(0)) {
      // One that is due may stand behind one that is not: each had a latency of its own.
      world.after(Math.max(0, atMs - world.nowMs), () => this.life.happens(() => this.#taken(length)));
    }
  }

  /** An acknowledgement needs the way back: with that cut, the sender's queue stays as it is. */
  #acknowledge(segment: Segment): void {
    const { world } = this.#network;
    const tell = (): void => {
      if (this.#phase === 'closed') return;
      if (this.#network.isCut(this.#peerHost, this.#host)) {
        world.after(retellMs, tell);
        return;
      }
      this.life.happens(() =>
        segment.bytes === 'end' ? this.#endTaken() : this.#taken(segment.bytes.length),
      );
    };
    const delayMs = this.#network.latencyMs(this.#peerHost, this.#host);
    const isLookedFor = segment.bytes === 'end' || this.#isAboveMark;
    if (isLookedFor || this.#network.isCut(this.#peerHost, this.#host)) {
      world.after(delayMs, tell);
    } else this.#acknowledged.push({ atMs: world.nowMs + delayMs, length: segment.bytes.length });
  }

  #endTaken(): void {
    this.#isEndDelivered = true;
    this.life.plan(lingerMsMax, () => this.destroy());
    this.#closeIfEnded();
  }

  #taken(length: number): void {
    if (this.#phase === 'closed') return;
    this.#queuedBytes = Math.max(0, this.#queuedBytes - length);
    if (!this.#isAboveMark || this.queuedBytes > queueLowBytes) return;
    this.#isAboveMark = false;
    if (this.#phase === 'open') this.#handler?.drain();
  }

  #arrived(segment: Segment): void {
    if (this.#phase === 'closed') return;
    this.#unread.push(segment);
    this.#unreadBytes += segment.bytes === 'end' ? 0 : segment.bytes.length;
    this.life.happens(this.#readArrived);
  }

  #readUnread(): void {
    const wasShut = this.#unreadBytes >= receiveWindowBytes;
    while (this.#handler !== undefined && !this.#isReadingPaused && this.#phase !== 'closed') {
      const segment = this.#unread.shift();
      if (segment === undefined) break;
      this.#read(segment);
    }
    const isOpenAgain = wasShut && this.#unreadBytes < receiveWindowBytes;
    if (isOpenAgain && this.#phase !== 'closed') this.#peer!.#windowOpened();
  }

  #windowOpened(): void {
    const { world } = this.#network;
    world.after(this.#network.latencyMs(this.#peerHost, this.#host), () => this.#deliver());
  }

  #read(segment: Segment): void {
    if (segment.bytes === 'end') {
      this.#hasReceivedEnd = true;
      // As the real one: the peer's end ends ours, behind what is queued, or when the handler says so.
      if (this.#handler?.ended === undefined) this.end();
      else if (this.#phase === 'open') this.#handler.ended();
      this.#closeIfEnded();
      return;
    }
    this.#unreadBytes -= segment.bytes.length;
    if (this.#phase !== 'open') return;
    this.#handler?.data(segment.bytes);
    segment.bytes.fill(overwrittenWith);
  }

  #closeIfEnded(): void {
    if (this.#isEndDelivered && this.#hasReceivedEnd) this.#close(undefined);
  }

  #resetByPeer(isAfterOurEnd = false): void {
    if (isAfterOurEnd && this.#hasReceivedEnd) this.#close(undefined);
    else this.#close(new NetworkError('reset', 'the peer reset the connection'));
  }

  /** The other end is told nothing; its kernel's keepalive finds out. */
  #leavePeerHalfOpen(): void {
    const peer = this.#peer!;
    this.#network.world.after(keepAliveMsMax, () => peer.#peerSilent());
  }

  #peerSilent(): void {
    if (this.#phase === 'closed') return;
    this.#dropQueue();
    this.life.happens(() => this.#close(new NetworkError('timeout', 'the peer is silent')));
  }

  /** This end is gone, and its kernel tells the other: in order, or by a reset. */
  #tellPeerGone(): void {
    const peer = this.#peer!;
    const { world, random } = this.#network;
    const isReset = random.chance(0.5);
    const tell = (): void => {
      if (peer.#phase === 'closed') return;
      if (this.#network.isCut(this.#host, peer.#host)) {
        world.after(retellMs, tell);
        return;
      }
      if (isReset) peer.life.happens(() => peer.#resetByPeer());
      else peer.#arrived({ bytes: 'end', arrivesAtMs: world.nowMs });
    };
    world.after(this.#network.latencyMs(this.#host, peer.#host), tell);
  }

  #dropQueue(): void {
    this.#gathered = [];
    this.#underWay.length = 0;
    this.#acknowledged.length = 0;
    this.#queuedBytes = 0;
    this.#flow?.close();
    this.#flow = undefined;
  }

  #close(error: NetworkError | undefined): void {
    if (this.#phase === 'closed') return;
    this.#phase = 'closed';
    this.#dropQueue();
    this.#leave();
    this.#closedWith = { error };
    this.#tellClosed();
  }

  #tellClosed(): void {
    const handler = this.#handler;
    this.#handler = undefined;
    if (this.#closedWith?.error === undefined) handler?.closed();
    else handler?.closed(this.#closedWith.error);
  }

  #leave(): void {
    this.#network.forget(this);
  }
}
