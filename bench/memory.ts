/** What does a node hold in memory: empty, for each key, and after a while of steady load? */
import { fillKeys, residentBytes, runLoad, untilIdle } from './load/run-load.ts';
import { patientSettings, startHale } from './servers.ts';

const valueBytes = 100;
const connections = 32;
/** Has the node collect its garbage when it is told to: else the heap is mostly what is about to be thrown away. */
const collector = 'data:text/javascript,process.on("SIGUSR2",()=>globalThis.gc())';
const collectMs = 1000;

export async function measureMemory(keys: number, measuredMs: number, node: string): Promise<string> {
  const nodeArguments = ['--expose-gc', '--import', collector];
  const server = await startHale({
    node,
    nodeArguments,
    settings: [...patientSettings, 'buckets.default.n_val=1'],
  });
  try {
    const { pb: port, http } = server.ports;
    const [pid] = server.pids;
    if (port === undefined || pid === undefined) throw new Error('the server has no such port');
    await untilIdle(server.pids);
    const lines = ['| state | resident | JavaScript heap |', '|---|---:|---:|'];
    const add = async (label: string): Promise<number> => {
      process.kill(pid, 'SIGUSR2');
      await new Promise((resolve) => setTimeout(resolve, collectMs));
      const heap = await heapBytes(http);
      lines.push(`| ${label} | ${mebibytes(residentBytes(pid))} | ${mebibytes(heap)} |`);
      return heap;
    };
    const empty = await add('empty');
    const order = { protocol: 'pb', port, valueBytes, keys, connections } as const;
    await fillKeys(order, server.pids);
    await untilIdle(server.pids);
    const full = await add(`${keys.toLocaleString('en')} keys`);
    for (let quarter = 1; quarter <= 4; quarter += 1) {
      const load = { ...order, operation: 'put', pipeline: 1, order: 'uniform', warmupMs: 0 } as const;
      await runLoad({ ...load, measuredMs: measuredMs / 4 }, server.pids);
      await add(`after ${Math.round((quarter * measuredMs) / 4000)} s of puts`);
    }
    const each = Math.max(0, full - empty) / keys;
    lines.push('', `Heap for each key: ${each.toFixed(1)} bytes (at most 60 wanted).`);
    return lines.join('\n');
  } finally {
    await server.stop();
  }
}

/** As the node says. */
async function heapBytes(http: number | undefined): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${http}/admin/v1/metrics`)).text();
  const line = /^\w*heap\w*used\w* ([\d.e+]+)$/im.exec(page);
  if (line === null) throw new Error('the node does not tell its heap');
  return Number(line[1]);
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
