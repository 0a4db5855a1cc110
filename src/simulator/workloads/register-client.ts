/** A client of `serveRegisters` that connects anew whenever it has no answer. */
import type { Address, Connection, Environment } from '../../environment/index.ts';
import { encodeFrame, type Frame, FrameReader, frameKind } from './register-journal.ts';

const connectTimeoutMs = 500;
const answerTimeoutMs = 1000;

export class RegisterClient {
  readonly #environment: Environment;
  readonly #server: Address;
  #connection: Connection | undefined;
  #answered: ((frame: Frame | undefined) => void) | undefined;

  constructor(environment: Environment, server: Address) {
    this.#environment = environment;
    this.#server = server;
  }

  async put(key: number, value: number): Promise<'acked' | 'refused' | 'unknown'> {
    if (!(await this.#isConnected())) return 'refused';
    const answer = await this.#ask({ kind: frameKind.put, key, value });
    return answer?.kind === frameKind.ack && answer.value === value ? 'acked' : 'unknown';
  }

  /** Undefined if there was no answer; 0 if nothing was written. */
  async get(key: number): Promise<number | undefined> {
    if (!(await this.#isConnected())) return undefined;
    return (await this.#ask({ kind: frameKind.get, key, value: 0 }))?.value;
  }

  async #ask(frame: Frame): Promise<Frame | undefined> {
    const answer = await new Promise<Frame | undefined>((resolve) => {
      const timer = this.#environment.timers.after(answerTimeoutMs, () => this.#answered?.(undefined));
      this.#answered = (answer) => {
        timer.cancel();
        this.#answered = undefined;
        resolve(answer);
      };
      this.#connection?.write(encodeFrame(frame));
    });
    // A late answer must not be taken for that to the next question.
    if (answer === undefined) this.#disconnect();
    return answer;
  }

  async #isConnected(): Promise<boolean> {
    if (this.#connection !== undefined) return true;
    const reader = new FrameReader();
    try {
      this.#connection = await this.#environment.network.connect(
        this.#server,
        (connection) => ({
          data: (chunk) => {
            for (const frame of reader.frames(chunk)) this.#answered?.(frame);
          },
          drain: () => undefined,
          closed: () => {
            if (this.#connection !== connection) return;
            this.#connection = undefined;
            this.#answered?.(undefined);
          },
        }),
        connectTimeoutMs,
      );
      return true;
    } catch {
      // Refused or silent: in either case nothing was sent.
      return false;
    }
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.destroy();
  }
}
