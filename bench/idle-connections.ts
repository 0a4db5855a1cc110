/** What does an idle connection hold? Resident memory of the server before and with many of them. */
import { connect, type Socket } from 'node:net';
import { residentBytes, untilIdle } from './load/run-load.ts';
import { startHale } from './servers.ts';

const connections = 10_000;
/** Each has said something once, so that what a first request makes is there. */
const pings = { pb: '\0\0\0\x01\x01', http: 'GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n' } as const;

export async function measureIdleConnections(node: string): Promise<string> {
  const lines = [
    '| protocol | connections | resident before | with them | each |',
    '|---|---:|---:|---:|---:|',
  ];
  for (const protocol of ['pb', 'http'] as const) {
    const server = await startHale({ node, settings: [] });
    const sockets: Socket[] = [];
    try {
      const port = server.ports[protocol];
      const [pid] = server.pids;
      if (port === undefined || pid === undefined) throw new Error('the server has no such port');
      await untilIdle(server.pids);
      const before = residentBytes(pid);
      while (sockets.length < connections) sockets.push(await greeted(port, pings[protocol]));
      await untilIdle(server.pids);
      const after = residentBytes(pid);
      const each = ((after - before) / connections / 1024).toFixed(1);
      lines.push(
        `| ${protocol} | ${connections} | ${mebibytes(before)} | ${mebibytes(after)} | ${each} KiB |`,
      );
    } finally {
      for (const socket of sockets) socket.destroy();
      await server.stop();
    }
  }
  return lines.join('\n');
}

function greeted(port: number, ping: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(ping, 'latin1'));
    socket.once('error', reject);
    socket.once('data', () => resolve(socket));
  });
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
