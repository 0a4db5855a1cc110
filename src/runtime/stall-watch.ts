/**
 * Peers that take nothing of what is queued for them: looked at now and then, only while something is queued. What counts
 * is that bytes leave, not how many: a slow peer is served as long as it takes some. The kernel tells in steps of a third of
 * its send buffer, some 1.5 MB at the most, so a limit has to leave time for as much.
 */
import type { Socket } from 'node:net';

const looksPerLimit = 4;
const lookMsMax = 1000;

export class StallWatch {
  readonly #socket: Socket;
  #limitMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #mark = 0;
  #stalledMs = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Destroys the socket when no byte has left for so long. A shorter limit replaces a longer one. */
  limit(stalledMs: number): void {
    this.#limitMs = Math.min(this.#limitMs, stalledMs);
    this.wrote();
  }

  /** Something may have been queued. */
  wrote(): void {
    if (this.#timer !== undefined || this.#limitMs === Number.POSITIVE_INFINITY) return;
    if (this.#socket.writableLength === 0) return;
    this.#mark = markOf(this.#socket);
    this.#lookLater();
  }

  get stalledMs(): number {
    return markOf(this.#socket) === this.#mark ? this.#stalledMs : 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #lookLater(): void {
    const lookMs = Math.min(this.#limitMs / looksPerLimit, lookMsMax);
    this.#timer = setTimeout(() => this.#look(lookMs), lookMs);
    this.#timer.unref();
  }

  #look(lookMs: number): void {
    this.#timer = undefined;
    const mark = markOf(this.#socket);
    const isStalled = this.#socket.writableLength > 0 && mark === this.#mark;
    this.#mark = mark;
    this.#stalledMs = isStalled ? this.#stalledMs + lookMs : 0;
    if (this.#stalledMs >= this.#limitMs) this.#socket.destroy();
    else if (this.#socket.writableLength > 0) this.#lookLater();
  }
}

/**
 * Another number whenever bytes have left. Node counts a write as queued until all of it has; how much of the present one
 * is left, only the handle knows, as it does for the timeouts of Node's own sockets.
 */
function markOf(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { readonly writeQueueSize?: number } | null };
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0);
}
