/** A store behind the Protocol Buffers API on a real socket, and a client that speaks bare frames to it. */
import { Buffer } from 'node:buffer';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PbService, type PbServices, silentPbObserver } from '../../../src/api/protobuf/index.ts';
import { SoloTopology } from '../../../src/core/topology/index.ts';
import { nodeIdOf } from '../../../src/environment/index.ts';
import {
  DatatypeStore,
  defaultBucketProperties,
  type KeyValueSettings,
  type KeyValueStore,
  LocalKeyValueStore,
  Preflists,
  silentObserver,
} from '../../../src/kv/index.ts';
import { nodeEnvironment, silentLog } from '../../../src/runtime/index.ts';
import { GroupCommit, openLevelEngine } from '../../../src/storage/index.ts';
import { FrameReader } from '../../../src/wire/index.ts';

const settings: KeyValueSettings = {
  requestTimeoutMs: 60_000,
  tombstonePauseMs: 1,
  requestsMax: 10_000,
  readRepairsPerSecondMax: 1000,
  coordinatorFailureTimeoutMs: 3000,
  hedgeDelayMsMin: 10,
  hedgeDelayMsMax: 1000,
  strayBytesMax: 2 ** 30,
  objectBytesMax: 50_000_000,
  objectBytesWarn: 5_000_000,
  siblingsMax: 100,
  siblingsWarn: 25,
  deleteMode: 'keep',
  listTimeoutMs: 60_000,
  bucketDefaults: defaultBucketProperties,
};

export interface ServedNode extends AsyncDisposable {
  readonly port: number;
  readonly service: PbService;
  readonly store: LocalKeyValueStore;
}

export async function serveNode(
  overrides: (store: KeyValueStore) => Partial<PbServices> = () => ({}),
): Promise<ServedNode> {
  const directory = await mkdtemp(path.join(tmpdir(), 'hale-protobuf-'));
  const environment = nodeEnvironment({
    log: silentLog,
    crash(activity, error) {
      throw new Error(`crash in ${activity}`, { cause: error });
    },
  });
  const engine = await openLevelEngine({ directory }, environment);
  const commit = new GroupCommit(engine, environment.tasks);
  const topology = new SoloTopology(nodeIdOf('riak@127.0.0.1'), 64);
  const store = await LocalKeyValueStore.open({
    environment,
    commit,
    topology,
    observer: silentObserver,
    settings,
  });
  const service = new PbService({
    store,
    preflists: new Preflists(store, topology),
    indexes: store.indexes,
    datatypes: new DatatypeStore(store, environment, 1_000_000),
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
      await store.close();
      await environment.close();
      await engine.close();
      await rm(directory, { recursive: true });
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
