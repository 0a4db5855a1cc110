/**
 * What does a request to another node cost, before anything is done for it? CPU-microseconds of both processes a
 * round trip, over the transport as a cluster uses it (queues, frames, checksums, deadlines, epochs), beside
 * redis-server answering as many requests in flight on one connection in the same minute.
 */
import { Buffer } from 'node:buffer';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Partition } from '../src/core/index.ts';
import { nodeIdOf } from '../src/environment/index.ts';
import { openHopEnd } from './load/hop-end.ts';
import { runLoad } from './load/run-load.ts';
import { startRedis } from './servers.ts';

const sizes = [100, 1024];
const inFlights = [1, 32];
const route = { timeoutMs: 10_000, traffic: 'foreground', primary: true } as const;
const far = nodeIdOf('far@127.0.0.1');

export async function measureHop(measuredMs: number, node: string): Promise<string> {
  const lines = [
    '| value | in flight | asking, CPU µs | answering, CPU µs | round trips/s | redis-server, CPU µs | answering × redis |',
    '|---:|---:|---:|---:|---:|---:|---:|',
  ];
  const peer = fork(fileURLToPath(new URL('load/hop-peer.js', import.meta.url)), { execPath: node });
  const end = await openHopEnd('near@127.0.0.1', () => undefined);
  const redis = await startRedis();
  try {
    peer.send({ nearPort: end.port });
    const [{ port }] = (await once(peer, 'message')) as [{ port: number }];
    end.introduce(far, port);
    const peerCpu = async (): Promise<number> => {
      peer.send('cpu');
      const [{ cpu }] = (await once(peer, 'message')) as [{ cpu: NodeJS.CpuUsage }];
      return cpu.user + cpu.system;
    };
    for (const bytes of sizes) {
      for (const inFlight of inFlights) {
        const load = { protocol: 'redis', port: redis.ports.redis!, keys: 1000, connections: 1 } as const;
        const order = { valueBytes: bytes, operation: 'get', order: 'uniform', warmupMs: 200 } as const;
        const puts = { ...load, ...order, operation: 'put', order: 'sequential', measuredMs: 0 } as const;
        await runLoad({ ...puts, warmupMs: 0, pipeline: 16 }, redis.pids);
        const beside = await runLoad({ ...load, ...order, pipeline: inFlight, measuredMs }, redis.pids);
        const redisCost = beside.serverCpuMicros / beside.operations;
        await roundTrips(end, bytes, inFlight, measuredMs / 3);
        const [ownBefore, peerBefore] = [process.cpuUsage(), await peerCpu()];
        const startedAt = performance.now();
        const trips = await roundTrips(end, bytes, inFlight, measuredMs);
        const seconds = (performance.now() - startedAt) / 1000;
        const own = process.cpuUsage(ownBefore);
        const asking = (own.user + own.system) / trips;
        const answering = ((await peerCpu()) - peerBefore) / trips;
        const cells = [
          bytes,
          inFlight,
          asking.toFixed(2),
          answering.toFixed(2),
          (trips / seconds).toFixed(0),
        ];
        lines.push(`| ${[...cells, redisCost.toFixed(2), (answering / redisCost).toFixed(1)].join(' | ')} |`);
      }
    }
  } finally {
    await end.close();
    peer.kill();
    await redis.stop();
  }
  return lines.join('\n');
}

/** Keeps so many requests in flight for so long; says how many were answered. */
function roundTrips(
  end: Awaited<ReturnType<typeof openHopEnd>>,
  bytes: number,
  inFlight: number,
  forMs: number,
): Promise<number> {
  const body = Buffer.alloc(bytes, 'x');
  return new Promise((resolve) => {
    const until = performance.now() + forMs;
    let trips = 0;
    let open = inFlight;
    const answered = (reply: Buffer): void => {
      if (reply.length !== bytes) throw new Error('a reply of another length');
      trips += 1;
      if (performance.now() < until) ask();
      else if (--open === 0) resolve(trips);
    };
    const ask = (): void => end.requests.send(far, 3 as Partition, body, route, answered);
    for (let i = 0; i < inFlight; i += 1) ask();
  });
}
