/** Messages to one peer, in order, through a queue that may be full for a while. */
import type { Buffer } from 'node:buffer';
import type { NodeId } from '../../environment/index.ts';
import { channel, type Messenger } from '../transport/index.ts';
import { encodeTransferMessage } from './transfer-codec.ts';
import type { TransferMessage } from './transfer-message.ts';

export class TransferOutbox {
  readonly #messenger: Messenger;
  readonly #to: NodeId;
  /** Bounded by the window of the transfer that fills it. */
  #waiting: Buffer[] = [];
  #isAwaitingRoom = false;

  constructor(messenger: Messenger, to: NodeId) {
    this.#messenger = messenger;
    this.#to = to;
  }

  send(message: TransferMessage): void {
    this.#waiting.push(encodeTransferMessage(message));
    this.#flush();
  }

  /** Forgets what has not left: the transfer says it again. */
  clear(): void {
    this.#waiting = [];
  }

  #flush(): void {
    while (this.#waiting.length > 0) {
      const message = this.#waiting[0];
      const fill = (into: Buffer, at: number): void => void message.copy(into, at);
      if (!this.#messenger.send(this.#to, 'handoff', channel.transfer, message.length, fill)) break;
      this.#waiting.shift();
    }
    if (this.#waiting.length === 0 || this.#isAwaitingRoom) return;
    // Refused though there is room: the peer was given up. The transfer's deadline decides.
    let isAtOnce = true;
    this.#isAwaitingRoom = true;
    this.#messenger.whenWritable(this.#to, 'handoff', () => {
      this.#isAwaitingRoom = false;
      if (!isAtOnce) this.#flush();
    });
    isAtOnce = false;
  }
}
