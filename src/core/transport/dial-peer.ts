import type { Buffer } from 'node:buffer';
import type { Address, Connection, Environment, Network } from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { frameKind } from './frame-kind.ts';
import {
  DialerHandshake,
  type HelloIntent,
  handshakeFrameBytesMax,
  isCertified,
  type Judged,
  nonceBytes,
  type PeerIdentity,
  type Refusal,
  readRefusal,
} from './handshake.ts';
import { type FrameConsumer, PeerConnection } from './peer-connection.ts';
import type { Dial } from './peer-link.ts';
import type { TransportLimits } from './transport-limits.ts';

/** This end, as every connection of its needs it. */
export interface LocalEnd {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'tasks' | 'random' | 'log'>;
  readonly network: Network;
  readonly limits: TransportLimits;
  readonly secret: Buffer;
  readonly identity: PeerIdentity;
}

export interface DialPlan extends HelloIntent {
  readonly address: Address;
  /** Undefined for a guest, who takes whoever proves itself. */
  readonly instance: string | undefined;
  /** Of the frames after the welcome. */
  readonly frameBytesMax: number;
}

export type DialOutcome =
  | { readonly kind: 'welcome'; readonly stream: PeerConnection; readonly peer: PeerIdentity }
  /** By the peer, or by us because the peer is not who was meant. */
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly byPeer: boolean }
  | { readonly kind: 'failed'; readonly error: NetworkError };

/** Connects and shakes hands. `done` is told once, unless the dial is abandoned before. */
export function dialPeer(end: LocalEnd, plan: DialPlan, done: (outcome: DialOutcome) => void): Dial {
  const dialing = new Dialing(end, plan, done);
  end.environment.tasks.spawn('peer dial', () => dialing.connect());
  return dialing;
}

class Dialing implements Dial, FrameConsumer {
  readonly #end: LocalEnd;
  readonly #plan: DialPlan;
  readonly #done: (outcome: DialOutcome) => void;
  readonly #handshake: DialerHandshake;
  #phase: 'connecting' | 'challenge' | 'proof' | 'welcome' | 'over' = 'connecting';
  #stream: PeerConnection | undefined;
  #peer: PeerIdentity | undefined;
  #timer: { cancel(): void } | undefined;

  constructor(end: LocalEnd, plan: DialPlan, done: (outcome: DialOutcome) => void) {
    this.#end = end;
    this.#plan = plan;
    this.#done = done;
    const nonce = end.environment.random.bytes(nonceBytes);
    this.#handshake = new DialerHandshake(end.identity, end.secret, plan, nonce);
  }

  get isShaking(): boolean {
    return this.#phase !== 'connecting' && this.#phase !== 'over';
  }

  async connect(): Promise<void> {
    const { network, limits } = this.#end;
    try {
      await network.connect(
        this.#plan.address,
        (connection) => this.#connected(connection),
        limits.connectMsMax,
      );
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      this.#over({ kind: 'failed', error });
    }
  }

  abandon(): void {
    this.#phase = 'over';
    this.#timer?.cancel();
    this.#stream?.abandon();
  }

  frame(kind: number, bytes: Buffer, start: number, end: number): void {
    const body = bytes.subarray(start, end);
    if (kind === frameKind.refusal) {
      this.#refused(readRefusal(body), true);
      return;
    }
    const { phase } = { phase: this.#phase };
    switch (phase) {
      case 'challenge':
        this.#challenged(kind === frameKind.challenge ? this.#handshake.challenged(body) : outOfOrder(kind));
        return;
      case 'proof':
        this.#proved(kind === frameKind.proof ? this.#handshake.proved(body) : outOfOrder(kind));
        return;
      case 'welcome':
        if (kind === frameKind.welcome) this.#welcomed();
        else this.#refused({ code: 'malformed', reason: `frame ${kind} out of order` }, false);
        return;
      case 'connecting':
      case 'over':
        return;
      default:
        unreachable(phase);
    }
  }

  drain(): void {
    // A handshake fits into any queue.
  }

  closed(error?: Error): void {
    const reason = error instanceof NetworkError ? error : undefined;
    const text = error?.message ?? 'the peer closed the connection before the welcome';
    this.#over({ kind: 'failed', error: reason ?? new NetworkError('other', text) });
  }

  #connected(connection: Connection): PeerConnection {
    const stream = new PeerConnection(connection, handshakeFrameBytesMax);
    if (this.#phase === 'over') {
      stream.abandon();
      return stream;
    }
    this.#stream = stream;
    this.#phase = 'challenge';
    stream.consume(this);
    connection.write(this.#handshake.helloFrame);
    const { limits, environment } = this.#end;
    this.#timer = environment.timers.after(limits.handshakeMsMax, () =>
      stream.fail(new NetworkError('timeout', 'the peer did not complete the handshake')),
    );
    return stream;
  }

  #challenged(judged: Judged<PeerIdentity>): void {
    const wrong = judged.kind === 'refused' ? judged.refusal : this.#judge(judged.value);
    if (wrong !== undefined || judged.kind === 'refused') {
      this.#refused(wrong!, false);
      return;
    }
    this.#peer = judged.value;
    this.#phase = 'proof';
  }

  #proved(judged: Judged<Buffer>): void {
    if (judged.kind === 'refused') {
      this.#refused(judged.refusal, false);
      return;
    }
    this.#phase = 'welcome';
    // Whoever proved itself may answer with more than a handshake: its messages follow the welcome at once.
    this.#stream!.consume(this, this.#plan.frameBytesMax);
    this.#stream!.connection.write(judged.value);
  }

  #welcomed(): void {
    this.#over({ kind: 'welcome', stream: this.#stream!, peer: this.#peer! });
  }

  /** Whether the one who answers is the one who was meant (C9). */
  #judge(peer: PeerIdentity): Refusal | undefined {
    const { to, purpose, instance, address } = this.#plan;
    const names = this.#stream!.connection.certifiedNames;
    if (names !== undefined && !isCertified(names, peer.node, address.host)) {
      return { code: 'certificate', reason: `the certificate is not that of ${peer.node}` };
    }
    if (to !== undefined && peer.node !== to) {
      return { code: 'wrong-node', reason: `${peer.node} answers at the address of ${to}` };
    }
    if (purpose === 'guest') return undefined;
    if (peer.clusterId !== this.#end.identity.clusterId) {
      return { code: 'cluster', reason: `${peer.node} is of another cluster` };
    }
    if (peer.instance !== instance) {
      return { code: 'stranger', reason: `${peer.node} is another instance than the member` };
    }
    return undefined;
  }

  #refused(refusal: Refusal, byPeer: boolean): void {
    this.#stream?.abandon();
    this.#over({ kind: 'refused', refusal, byPeer });
  }

  #over(outcome: DialOutcome): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#timer?.cancel();
    // From here the stream belongs to who asked for it, or is closed.
    this.#stream = undefined;
    this.#done(outcome);
  }
}

function outOfOrder(kind: number): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: { code: 'malformed', reason: `frame ${kind} out of order` } };
}
