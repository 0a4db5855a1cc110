/** The Protocol Buffers API on a port: bounds its connections, and closes them in order or at once. */
import { PbService, type PbServices, servePbConnection } from '../api/protobuf/index.ts';
import type { Address, Connection, ConnectionHandler, Listener, Network } from '../environment/index.ts';

const refused: ConnectionHandler = { data() {}, drain() {}, closed() {} };

export class ProtobufListener {
  readonly #service: PbService;
  readonly #connections = new Set<Connection>();
  readonly #connectionsMax: number;
  #listener: Listener | undefined;
  #emptied: (() => void) | undefined;

  private constructor(services: PbServices, connectionsMax: number) {
    this.#service = new PbService(services);
    this.#connectionsMax = connectionsMax;
  }

  /** Rejects with `NetworkError`. */
  static async listen(
    network: Network,
    address: Address,
    services: PbServices,
    connectionsMax: number,
  ): Promise<ProtobufListener> {
    const protobuf = new ProtobufListener(services, connectionsMax);
    protobuf.#listener = await network.listen(address, (connection) => protobuf.#accept(connection));
    return protobuf;
  }

  get address(): Address {
    return this.#listener!.address;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Stops accepting; resolves when each connection has ended, after the answer to its request in progress. */
  async close(): Promise<void> {
    await this.#listener!.close();
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    this.#service.drain();
    if (this.#connections.size > 0) await emptied;
  }

  /** Cuts all connections. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(connection: Connection): ConnectionHandler {
    if (this.#connections.size >= this.#connectionsMax) {
      connection.destroy();
      return refused;
    }
    this.#connections.add(connection);
    const handler = servePbConnection(connection, this.#service);
    return {
      data: (chunk) => handler.data(chunk),
      drain: () => handler.drain(),
      ended: () => handler.ended?.(),
      closed: (error) => {
        this.#connections.delete(connection);
        handler.closed(error);
        if (this.#connections.size === 0) this.#emptied?.();
      },
    };
  }
}
