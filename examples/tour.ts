/**
 * The main job in ten seconds: start a node, store and read objects over HTTP, Protocol Buffers and in
 * the process, kill the node with `kill -9`, and find everything that was acknowledged.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from 'hale';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const directory = await mkdtemp(join(tmpdir(), 'hale-tour-'));
const [http, pb] = [await freePort(), await freePort()];

const step = (text: string) => console.log(`\n\u2192 ${text}`);

step('start a node');
const first = await startNode();
try {
  step('store and read an object over HTTP, as with curl');
  const url = `http://127.0.0.1:${http}/buckets/greetings/keys/hello`;
  const stored = await fetch(url, { method: 'PUT', body: 'hi', headers: { 'content-type': 'text/plain' } });
  console.log(`PUT ${url}: ${stored.status}`);
  console.log(`GET ${url}: ${await (await fetch(url)).text()}`);

  step('store a thousand users over Protocol Buffers, each acknowledged when it is on disk');
  await using db = await open(`hale://127.0.0.1:${pb}`);
  const users = db.bucket<{ name: string; visits: number }>('users');
  const startedAt = performance.now();
  const ids = Array(1000).keys();
  // Each writer takes the next id: a write's time limit then covers the write alone, not the line before it.
  const writers = Array.from({ length: 32 }, async () => {
    for (const id of ids) await users.put(`user${id}`, { name: `User ${id}`, visits: 0 });
  });
  await Promise.all(writers);
  console.log(`1,000 durable writes in ${(performance.now() - startedAt).toFixed(0)} ms`);
  await users.update('user7', (user) => ({ name: user?.name ?? 'nobody', visits: (user?.visits ?? 0) + 1 }));
  console.log('user7:', await users.get('user7'));

  step('kill -9');
  await killed(first);
  const second = await startNode();
  try {
    let found = 0;
    for await (const _ of users.keys()) found += 1;
    console.log(`after the crash: ${found} users, user7:`, await users.get('user7'));
    if (found !== 1000) throw new Error('an acknowledged write is missing');
  } finally {
    await killed(second);
  }
} finally {
  await killed(first);
}

step('open the same directory in this process: no ports, no server');
{
  await using db = await open(join(directory, 'data'), { configuration: { nodename: 'tour@127.0.0.1' } });
  console.log('user7:', await db.bucket('users').get('user7'));
}
await rm(directory, { recursive: true });
console.log('\ndone. A node for yourself: npm start');

async function startNode(): Promise<ChildProcess> {
  const listeners = ['--pb', `127.0.0.1:${pb}`, '--http', `127.0.0.1:${http}`, '--cluster', 'off'];
  const node = ['--name', 'tour@127.0.0.1', '--data', join(directory, 'data')];
  const child = spawn(process.execPath, [main, 'start', ...node, ...listeners], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      if (/^ready$/m.test(chunk.toString())) resolve();
    });
  });
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
