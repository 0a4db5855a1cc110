import { Buffer } from 'node:buffer';
import type { Connection, Environment } from '../../environment/index.ts';
import { LengthFrameReader, lengthFrame } from './length-frames.ts';

const connectTimeoutMs = 300;
/** What waits for a connection, or stands before one that is stuck. Messages beyond it are lost. */
const queuedBytesMax = 256 * 1024;

interface Link {
  connection: Connection | undefined;
  isConnecting: boolean;
  waiting: Buffer[];
}

/**
 * Messages between processes, each over a stream from the sender: lost when the stream breaks or stands
 * still. The first frame of a stream is the sender's name.
 */
export class PeerLinks {
  readonly #environment: Environment;
  readonly #self: string;
  readonly #port: number;
  readonly #links = new Map<string, Link>();

  constructor(environment: Environment, self: string, port: number) {
    this.#environment = environment;
    this.#self = self;
    this.#port = port;
  }

  async listen(receive: (from: string, message: Buffer) => void): Promise<void> {
    await this.#environment.network.listen({ host: this.#self, port: this.#port }, () => {
      const reader = new LengthFrameReader();
      let from: string | undefined;
      return {
        data: (chunk) => {
          for (const body of reader.bodies(chunk)) {
            if (from === undefined) from = body.toString();
            else receive(from, Buffer.from(body));
          }
        },
        drain: () => undefined,
        closed: () => undefined,
      };
    });
  }

  send(to: string, message: Buffer): void {
    const link = this.#linkTo(to);
    if (link.connection !== undefined) {
      // A peer that reads nothing gets a new stream, on which old messages do not stand before new ones.
      if (link.connection.queuedBytes <= queuedBytesMax) link.connection.write(lengthFrame(message));
      else link.connection.destroy();
      return;
    }
    const bytes = link.waiting.reduce((sum, each) => sum + each.length, 0);
    if (bytes + message.length <= queuedBytesMax) link.waiting.push(message);
    if (!link.isConnecting) {
      link.isConnecting = true;
      this.#environment.tasks.spawn('peer link', () => this.#connect(to, link));
    }
  }

  #linkTo(to: string): Link {
    const known = this.#links.get(to);
    if (known !== undefined) return known;
    const link: Link = { connection: undefined, isConnecting: false, waiting: [] };
    this.#links.set(to, link);
    return link;
  }

  async #connect(to: string, link: Link): Promise<void> {
    try {
      link.connection = await this.#environment.network.connect(
        { host: to, port: this.#port },
        (connection) => ({
          data: () => undefined,
          drain: () => undefined,
          closed: () => {
            if (link.connection === connection) link.connection = undefined;
          },
        }),
        connectTimeoutMs,
      );
      link.connection.write(lengthFrame(Buffer.from(this.#self)));
      for (const message of link.waiting) link.connection?.write(lengthFrame(message));
    } catch (error) {
      this.#environment.log.debug('a peer was not reached', { to, error: String(error) });
    }
    link.waiting = [];
    link.isConnecting = false;
  }
}
