/**
 * An answer of unknown length, in text: gathered up to a limit, then sent in chunks at the pace of the peer. A short one
 * leaves in one piece.
 */
import { Buffer } from 'node:buffer';
import type { HttpExchange } from '../../environment/index.ts';

export class PacedWriter {
  readonly #exchange: HttpExchange;
  readonly #headers: () => string[];
  readonly #bytesMax: number;
  #text = '';
  #begun = false;

  /** Beyond `bytesMax` it begins to send; `headers` is asked for once. */
  constructor(exchange: HttpExchange, bytesMax: number, headers: () => string[]) {
    this.#exchange = exchange;
    this.#bytesMax = bytesMax;
    this.#headers = headers;
  }

  /** Something has left: the status cannot change any more. */
  get begun(): boolean {
    return this.#begun;
  }

  text(text: string): void {
    this.#text += text;
  }

  /** Resolves when more may be produced. */
  async flushed(): Promise<void> {
    if (this.#text.length <= this.#bytesMax) return;
    if (!this.#begun) {
      this.#begun = true;
      this.#exchange.start(200, this.#headers());
    }
    const bytes = Buffer.from(this.#text);
    this.#text = '';
    if (!this.#exchange.write(bytes)) await this.#exchange.drained();
  }

  finish(text: string): void {
    const bytes = Buffer.from(this.#text + text);
    if (!this.#begun) {
      this.#exchange.respond(200, this.#headers(), bytes);
      return;
    }
    this.#exchange.write(bytes);
    this.#exchange.end();
  }
}
