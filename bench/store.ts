/**
 * What does a request cost in the store, sockets and clients aside, with each storage engine? Two nodes, one with each
 * engine, take turns, slice by slice, so that both see the machine in the same minute; the cost of a node is all CPU that its
 * process takes from the first slice of a row until its engine rests, what is done behind the requests included.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Configuration } from '../src/config/index.ts';
import type { Slice, SliceReport, StoreOrder } from './load/store-run.ts';

const engines = ['leveldb', 'log'] as const;
const valueSizes = [100, 1024];
const slices = 8;
const script = fileURLToPath(new URL('./load/store-run.js', import.meta.url));

export interface StoreDuration {
  readonly keys: number;
  /** Of each row. */
  readonly requests: number;
  /** Rows to measure: their names, such as 'n=3 os put 100 B ×512', must match. All if absent. */
  readonly only: RegExp | undefined;
}

interface Row extends Omit<Slice, 'count'> {
  readonly nVal: number;
  readonly durability: Configuration['durability'];
  readonly valueBytes: number;
}

export async function measureStore(
  duration: StoreDuration,
  node: string,
  report: (line: string) => void,
): Promise<string> {
  const { keys, requests, only } = duration;
  const lines = [
    '| n | durability | value | operation | at once | leveldb, CPU µs | log, CPU µs | log / leveldb |',
    '|---:|---|---:|---|---:|---:|---:|---:|',
  ];
  for (const valueBytes of valueSizes) {
    for (const nVal of [1, 3]) {
      for (const durability of ['synced', 'os'] as const) {
        const rows = rowsOf({ nVal, durability, valueBytes }).filter(
          (row) => only?.test(nameOf(row)) ?? true,
        );
        if (rows.length > 0) lines.push(...(await measureRows(rows, duration, node, report)));
      }
    }
  }
  const scale = `${keys.toLocaleString('en')} keys, ${requests.toLocaleString('en')} requests a row.`;
  return [scale, '', ...lines].join('\n');
}

function rowsOf(subject: Pick<Row, 'nVal' | 'durability' | 'valueBytes'>): readonly Row[] {
  return (['get', 'put'] as const).flatMap((operation) =>
    [32, 512].map((atOnce) => ({ ...subject, operation, atOnce })),
  );
}

function nameOf({ nVal, durability, operation, valueBytes, atOnce }: Row): string {
  return `n=${nVal} ${durability} ${operation} ${valueBytes} B ×${atOnce}`;
}

/** Of one kind of node. */
async function measureRows(
  rows: readonly Row[],
  { keys, requests }: StoreDuration,
  node: string,
  report: (line: string) => void,
): Promise<readonly string[]> {
  const lines: string[] = [];
  const nodes = engines.map((engine) => new StoreNode(node, engine));
  try {
    for (const each of nodes) await each.start({ ...rows[0]!, keys });
    for (const { nVal, durability, valueBytes, operation, atOnce } of rows) {
      const costs = await costsOf(nodes, { operation, atOnce, count: requests });
      const cells = costs.map((cost) => cost.toFixed(1));
      const ratio = (costs[1]! / costs[0]!).toFixed(2);
      const line = `| ${[nVal, durability, valueBytes, operation, atOnce, ...cells, ratio].join(' | ')} |`;
      lines.push(line);
      report(line);
    }
    return lines;
  } finally {
    for (const each of nodes) each.stop();
  }
}

async function costsOf(nodes: readonly StoreNode[], whole: Slice): Promise<readonly number[]> {
  const slice = { ...whole, count: Math.ceil(whole.count / slices) };
  // Compiled before it counts.
  for (const node of nodes) await node.run(slice);
  for (const node of nodes) await node.untilIdle();
  const before = await Promise.all(nodes.map((node) => node.cpuMicros()));
  for (let i = 0; i < slices; i += 1) for (const node of nodes) await node.run(slice);
  for (const node of nodes) await node.untilIdle();
  const after = await Promise.all(nodes.map((node) => node.cpuMicros()));
  return after.map((micros, i) => (micros - before[i]!) / (slices * slice.count));
}

interface StoreSubject {
  readonly nVal: number;
  readonly durability: Configuration['durability'];
  readonly keys: number;
  readonly valueBytes: number;
}

/** CPU-microseconds in 200 ms that a resting node takes. */
const idleMicrosMax = 5000;
const idleLooksMax = 100;
const fillsAtOnce = 512;

class StoreNode {
  readonly #child: ChildProcess;
  readonly #engine: Configuration['storage_backend'];
  readonly #directory = mkdtempSync(join(tmpdir(), 'hale-bench-store-'));

  constructor(node: string, engine: Configuration['storage_backend']) {
    this.#child = fork(script, { execPath: node });
    this.#engine = engine;
  }

  async start({ nVal, durability, keys, valueBytes }: StoreSubject): Promise<void> {
    const configuration: Partial<Configuration> = {
      storage_backend: this.#engine,
      durability,
      'buckets.default.n_val': nVal,
      // Of a machine that others crowd, too.
      'overload.turn_delay': 60_000,
      'overload.request_delay': 600_000,
    };
    const order: StoreOrder = { directory: this.#directory, configuration, keys, valueBytes };
    await this.#ask({ order });
    await this.run({ operation: 'fill', count: keys, atOnce: fillsAtOnce });
    await this.untilIdle();
  }

  async run(slice: Slice): Promise<void> {
    await this.#ask({ slice });
  }

  async cpuMicros(): Promise<number> {
    return (await this.#ask({})).cpuMicros;
  }

  async untilIdle(): Promise<void> {
    for (let look = 0; look < idleLooksMax; look += 1) {
      const before = await this.cpuMicros();
      await new Promise((resolve) => setTimeout(resolve, 200));
      if ((await this.cpuMicros()) - before < idleMicrosMax) return;
    }
  }

  stop(): void {
    this.#child.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #ask(message: { readonly order?: StoreOrder; readonly slice?: Slice }): Promise<SliceReport> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', (told: { readonly report?: SliceReport; readonly error?: string }) => {
        if (told.report === undefined) reject(new Error(told.error));
        else resolve(told.report);
      });
      this.#child.send(message);
    });
  }
}
