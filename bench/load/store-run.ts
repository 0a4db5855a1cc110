/** A node without listeners in a process of its own, as `store.ts` orders: slices of requests to its store. */
import type { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { type Configuration, configurationWith } from '../../src/config/index.ts';
import type { KeyValueStore } from '../../src/kv/index.ts';
import { nodeEnvironment, silentLog, throwUncaught } from '../../src/runtime/index.ts';
import { startNode } from '../../src/server/index.ts';
import { bytesOfText } from '../../src/stdx/index.ts';
import { encodeContent } from '../../src/wire/index.ts';

export interface StoreOrder {
  readonly directory: string;
  readonly configuration: Partial<Configuration>;
  readonly keys: number;
  readonly valueBytes: number;
}

/** `fill`: each key once, in order. */
export interface Slice {
  readonly operation: 'fill' | 'get' | 'put';
  readonly count: number;
  /** Requests at once, as so many connections would have them. */
  readonly atOnce: number;
}

/** CPU-microseconds that the process has taken since its start, threads included. */
export interface SliceReport {
  readonly cpuMicros: number;
}

const noiseBytes = 2 ** 20;
const bucketType = bytesOfText('default');
const bucket = bytesOfText('bench');

class StoreRun {
  readonly #store: KeyValueStore;
  readonly #order: StoreOrder;
  /** Values are pieces of it: nothing that is stored can be compressed. */
  readonly #noise = randomBytes(noiseBytes);
  #seed = 1;

  constructor(store: KeyValueStore, order: StoreOrder) {
    this.#store = store;
    this.#order = order;
  }

  run({ operation, count, atOnce }: Slice): Promise<void> {
    let begun = 0;
    let ended = 0;
    return new Promise((resolve, reject) => {
      const next = (): void => {
        if (begun === count) return;
        const n = operation === 'fill' ? begun : this.#next() % this.#order.keys;
        begun += 1;
        this.#request(operation, n, (failure) => {
          ended += 1;
          if (failure !== undefined) reject(new Error(failure));
          else if (ended === count) resolve();
          // A client hears of its answer in a turn of its own.
          else setImmediate(next);
        });
      };
      for (let i = 0; i < atOnce; i += 1) next();
    });
  }

  #request(operation: Slice['operation'], n: number, done: (failure: string | undefined) => void): void {
    const address = { bucketType, bucket, key: bytesOfText(`key-${String(n).padStart(10, '0')}`) };
    if (operation === 'get') {
      this.#store.get(address, ({ kind }) => done(kind === 'found' ? undefined : kind));
      return;
    }
    const content = encodeContent({
      value: this.#anyValue(),
      links: [],
      userMeta: [],
      indexes: [],
      deleted: false,
    });
    this.#store.put({ ...address, content }, ({ kind }) => done(kind === 'stored' ? undefined : kind));
  }

  #anyValue(): Buffer {
    const { valueBytes } = this.#order;
    const at = this.#next() % (noiseBytes - valueBytes);
    return this.#noise.subarray(at, at + valueBytes);
  }

  #next(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed;
  }
}

async function open(order: StoreOrder): Promise<StoreRun> {
  const { directory: dataDirectory } = order;
  const configuration = configurationWith({
    'listener.http.internal': 'off',
    'listener.protobuf.internal': 'off',
    'listener.cluster.internal': 'off',
    platform_data_dir: dataDirectory,
    ...order.configuration,
  });
  const environment = nodeEnvironment({ dataDirectory, log: silentLog, crash: throwUncaught });
  const node = await startNode(configuration, { environment, version: 'bench', dataDirectory });
  return new StoreRun(node.store, order);
}

let opening: Promise<StoreRun> | undefined;

async function answer(message: {
  readonly order?: StoreOrder;
  readonly slice?: Slice;
}): Promise<SliceReport> {
  if (message.order !== undefined) opening = open(message.order);
  const run = await opening;
  if (message.slice !== undefined) await run?.run(message.slice);
  const { user, system } = process.cpuUsage();
  return { cpuMicros: user + system };
}

process.on('message', (message: { readonly order?: StoreOrder; readonly slice?: Slice }) => {
  answer(message).then(
    (report) => process.send?.({ report }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
