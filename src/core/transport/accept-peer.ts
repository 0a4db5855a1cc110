import type { Buffer } from 'node:buffer';
import type { Connection } from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import { encodeFrame, peerWelcome } from '../../wire/index.ts';
import type { LocalEnd } from './dial-peer.ts';
import { frameKind } from './frame-kind.ts';
import {
  AcceptorHandshake,
  type Hello,
  handshakeFrameBytesMax,
  isCertified,
  nonceBytes,
  type Refusal,
  refusalFrame,
} from './handshake.ts';
import { type FrameConsumer, PeerConnection } from './peer-connection.ts';

/** What the messenger decides about those who knock. */
export interface Door {
  /** Where a member is said to be, for its certificate. */
  addressHostOf(hello: Hello): string | undefined;
  /** After the hello, nothing proved: a mark that `admit` gets back, or why not. */
  greet(hello: Hello): { readonly kind: 'mark'; readonly mark: number } | Refusal;
  /** After the proof. Undefined: come in. */
  admit(hello: Hello, mark: number): Refusal | undefined;
  /** The welcome is written; the stream is the door's from here. */
  welcomed(hello: Hello, stream: PeerConnection): void;
  refused(hello: Hello | undefined, refusal: Refusal, connection: Connection): void;
  /** The handshake ended, in whatever way. */
  left(): void;
}

/** Shakes hands with whoever connected. */
export function acceptPeer(end: LocalEnd, door: Door, connection: Connection): PeerConnection {
  const stream = new PeerConnection(connection, handshakeFrameBytesMax);
  stream.consume(new Accepting(end, door, stream));
  return stream;
}

class Accepting implements FrameConsumer {
  readonly #door: Door;
  readonly #stream: PeerConnection;
  readonly #handshake: AcceptorHandshake;
  readonly #timer: { cancel(): void };
  #hello: Hello | undefined;
  #mark = 0;
  #isOver = false;

  constructor(end: LocalEnd, door: Door, stream: PeerConnection) {
    this.#door = door;
    this.#stream = stream;
    const { random, timers } = end.environment;
    this.#handshake = new AcceptorHandshake(end.identity, end.secret, random.bytes(nonceBytes));
    this.#timer = timers.after(end.limits.handshakeMsMax, () =>
      stream.fail(new NetworkError('timeout', 'no handshake')),
    );
  }

  frame(kind: number, bytes: Buffer, start: number, end: number): void {
    const body = bytes.subarray(start, end);
    if (kind === frameKind.hello && this.#hello === undefined) this.#greeted(body);
    else if (kind === frameKind.proof && this.#hello !== undefined) this.#proved(this.#hello, body);
    else this.#refuse({ code: 'malformed', reason: `frame ${kind} out of order` });
  }

  drain(): void {
    // A handshake fits into any queue.
  }

  closed(): void {
    this.#over();
  }

  #greeted(body: Buffer): void {
    const judged = this.#handshake.greeted(body);
    if (judged.kind === 'refused') {
      this.#refuse(judged.refusal);
      return;
    }
    const hello = judged.value;
    this.#hello = hello;
    const { connection } = this.#stream;
    const names = connection.certifiedNames;
    if (names !== undefined && !isCertified(names, hello.peer.node, this.#door.addressHostOf(hello))) {
      this.#refuse({ code: 'certificate', reason: `the certificate is not that of ${hello.peer.node}` });
      return;
    }
    const greeted = this.#door.greet(hello);
    if ('code' in greeted) {
      this.#refuse(greeted);
      return;
    }
    this.#mark = greeted.mark;
    connection.write(this.#handshake.challengeFrames());
  }

  #proved(hello: Hello, body: Buffer): void {
    const judged = this.#handshake.proved(body);
    const refusal = judged.kind === 'refused' ? judged.refusal : this.#door.admit(hello, this.#mark);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    this.#over();
    this.#stream.connection.write(encodeFrame(peerWelcome, {}));
    this.#door.welcomed(hello, this.#stream);
  }

  #refuse(refusal: Refusal): void {
    this.#door.refused(this.#hello, refusal, this.#stream.connection);
    this.#stream.connection.write(refusalFrame(refusal));
    this.#stream.finish();
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.cancel();
    this.#door.left();
  }
}
