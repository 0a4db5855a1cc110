/**
 * The one thing that a node which is no member may do: prove that it knows the secret, ask once, get one answer.
 * Joining is such a question.
 */
import { Buffer } from 'node:buffer';
import type { Address } from '../../environment/index.ts';
import { NetworkError } from '../../environment/index.ts';
import { dialPeer, type LocalEnd } from './dial-peer.ts';
import { frameKind, frameWith } from './frame-kind.ts';
import type { FrameConsumer, PeerConnection } from './peer-connection.ts';

export type GuestHandler = (request: Buffer, from: Address) => Promise<Buffer>;

/** The node at the address did not let us in, and said why. */
export class GuestRefusedError extends Error {
  override readonly name = 'GuestRefusedError';
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

const noWords = { drain: () => undefined, closed: () => undefined };

export class GuestDoor {
  readonly #end: LocalEnd;
  readonly #handle: GuestHandler;
  readonly #inside = new Set<PeerConnection>();

  constructor(end: LocalEnd, handle: GuestHandler) {
    this.#end = end;
    this.#handle = handle;
  }

  get hasRoom(): boolean {
    return this.#inside.size < this.#end.limits.guestsMax;
  }

  /** A guest was welcomed: it has as long to ask as a handshake takes, and its answer as long as it needs. */
  serve(stream: PeerConnection): void {
    const { limits, environment } = this.#end;
    this.#inside.add(stream);
    const timer = environment.timers.after(limits.handshakeMsMax, () =>
      stream.fail(new NetworkError('timeout', 'a guest who does not ask')),
    );
    const left = (): void => {
      timer.cancel();
      this.#inside.delete(stream);
    };
    const frame: FrameConsumer['frame'] = (kind, bytes, start, end) => {
      if (kind !== frameKind.guestRequest) {
        stream.fail(new NetworkError('other', `a guest sent frame ${kind}`));
        return;
      }
      timer.cancel();
      const request = Buffer.from(bytes.subarray(start, end));
      stream.consume({ ...noWords, frame: () => stream.abandon(), closed: left });
      environment.tasks.spawn('guest', () => this.#answer(stream, request));
    };
    stream.consume({ ...noWords, frame, closed: left }, limits.guestBytesMax + 1);
  }

  close(): void {
    for (const stream of [...this.#inside]) stream.fail(new NetworkError('other', 'this node closes'));
  }

  async #answer(stream: PeerConnection, request: Buffer): Promise<void> {
    const reply = await this.#handle(request, stream.connection.remote);
    this.#inside.delete(stream);
    stream.connection.write(frameWith(frameKind.guestReply, reply));
    stream.finish();
  }
}

/** Rejects with `GuestRefusedError`, or a `NetworkError` when the node is not reached or does not answer in time. */
export function askAsGuest(
  end: LocalEnd,
  address: Address,
  request: Buffer,
  timeoutMs: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const { limits, environment } = end;
    const frameBytesMax = limits.guestBytesMax + 1;
    const plan = { purpose: 'guest', traffic: 'control', to: undefined, instance: undefined } as const;
    let asking: PeerConnection | undefined;
    const timer = environment.timers.after(timeoutMs, () => {
      dial.abandon();
      asking?.abandon();
      reject(
        new NetworkError('timeout', `no answer from ${address.host}:${address.port} in ${timeoutMs} ms`),
      );
    });
    const failed = (error: Error): void => {
      timer.cancel();
      reject(error);
    };
    const dial = dialPeer(end, { ...plan, address, frameBytesMax }, (outcome) => {
      if (outcome.kind === 'failed') return failed(outcome.error);
      if (outcome.kind === 'refused') {
        const { code, reason } = outcome.refusal;
        return failed(new GuestRefusedError(code, reason));
      }
      const { stream } = outcome;
      asking = stream;
      stream.consume({
        frame: (kind, bytes, start, frameEnd) => {
          if (kind !== frameKind.guestReply) {
            stream.fail(new NetworkError('other', `frame ${kind} for an answer`));
            return;
          }
          timer.cancel();
          stream.abandon();
          resolve(Buffer.from(bytes.subarray(start, frameEnd)));
        },
        drain: () => undefined,
        closed: (error) =>
          failed(error ?? new NetworkError('reset', 'the connection closed before the answer')),
      });
      stream.connection.write(frameWith(frameKind.guestRequest, request));
    });
  });
}
