/** A store behind the Protocol Buffers API on a real socket, and a client that speaks bare frames to it. */
import { Buffer } from 'node:buffer';
import { connect, type Socket } from 'node:net';
import { PbService, type PbServices, silentPbObserver } from '../../../src/api/protobuf/index.ts';
import type { KeyValueStore, LocalKeyValueStore } from '../../../src/kv/index.ts';
import { FrameReader } from '../../../src/wire/index.ts';
import { openStore } from '../opened-store.ts';

export interface ServedNode extends AsyncDisposable {
  readonly port: number;
  readonly service: PbService;
  readonly store: LocalKeyValueStore;
}

export async function serveNode(
  overrides: (store: KeyValueStore) => Partial<PbServices> = () => ({}),
): Promise<ServedNode> {
  const { environment, store, preflists, datatypes, close } = await openStore();
  const service = new PbService({
    store,
    preflists,
    indexes: store.indexes,
    datatypes,
    serverInfo: { node: 'riak@127.0.0.1', version: '3.2.0' },
    limits: { frameBytesMax: 1_000_000 },
    observer: silentPbObserver,
    tasks: environment.tasks,
    ...overrides(store),
  });
  const listener = await environment.network.listen({ host: '127.0.0.1', port: 0 }, (connection) =>
    service.accept(connection),
  );
  return {
    port: listener.address.port,
    service,
    store,
    async [Symbol.asyncDispose]() {
      await listener.close();
      await close();
    },
  };
}

/** Replies are code and body in hexadecimal. */
export class FrameClient {
  readonly socket: Socket;
  readonly #frames = new FrameReader(64 * 1024 * 1024);
  readonly #replies: string[] = [];
  #isClosed = false;
  #wake: () => void = () => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.#frames.feed(Buffer.from(chunk));
      while (this.#frames.next()) {
        this.#replies.push(this.#frames.bytes.toString('hex', this.#frames.start - 1, this.#frames.end));
      }
      this.#wake();
    });
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
    socket.on('error', () => {});
  }

  static connect(port: number): Promise<FrameClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new FrameClient(socket)));
      socket.once('error', reject);
    });
  }

  send(hex: string): void {
    this.socket.write(Buffer.from(hex, 'hex'));
  }

  /** The next reply, or 'closed'. */
  async receive(): Promise<string> {
    while (this.#replies.length === 0 && !this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#replies.shift() ?? 'closed';
  }

  async ask(hex: string): Promise<string> {
    this.send(hex);
    return await this.receive();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
