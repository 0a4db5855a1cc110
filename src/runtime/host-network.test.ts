import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { chmodSync, existsSync, linkSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import type { Address, Connection, ConnectionHandler, Listener } from '../environment/index.ts';
import { HostNetwork, type Streams } from './host-network.ts';
import { MachineNetwork } from './network.ts';
import { MachineTasks } from './tasks.ts';

const anyPort = { host: '127.0.0.1', port: 0 };
const greeting = Buffer.from('hello');

/** By which way each connection was made. */
class Ways implements Streams {
  readonly taken: string[] = [];
  readonly #network: MachineNetwork;

  constructor(context: TestContext) {
    const crash = (activity: string, error: unknown): never => {
      throw new Error(`crash in ${activity}`, { cause: error });
    };
    this.#network = new MachineNetwork({ tasks: new MachineTasks(crash), crash });
    context.after(() => this.#network.close());
  }

  listen(address: Address, accept: (connection: Connection) => ConnectionHandler): Promise<Listener> {
    return this.#network.listen(address, accept);
  }

  listenAt(
    place: string,
    address: Address,
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    return this.#network.listenAt(place, address, accept);
  }

  async connect(
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    const connection = await this.#network.connect(address, handle, timeoutMs);
    this.taken.push('tcp');
    return connection;
  }

  async connectTo(
    place: string,
    address: Address,
    handle: (connection: Connection) => ConnectionHandler,
    timeoutMs: number,
  ): Promise<Connection> {
    const connection = await this.#network.connectTo(place, address, handle, timeoutMs);
    this.taken.push('socket');
    return connection;
  }
}

interface Host {
  readonly directory: string;
  readonly ways: Ways;
  readonly network: HostNetwork;
}

function openHost(context: TestContext): Host {
  const root = mkdtempSync(path.join(tmpdir(), 'hale-host-'));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const directory = path.join(root, 'sockets');
  const ways = new Ways(context);
  return { directory, ways, network: new HostNetwork(ways, directory) };
}

/** Answers every connection with the greeting. */
function listen(network: HostNetwork, remotes: Address[] = []): Promise<Listener> {
  return network.listen(anyPort, (connection) => {
    remotes.push(connection.remote);
    connection.write(greeting);
    return { data: () => undefined, drain: () => undefined, closed: () => undefined };
  });
}

/** Resolves when it was greeted. */
function greeted(network: HostNetwork, address: Address): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let isGreeted = false;
    const heard = (connection: Connection): ConnectionHandler => ({
      data: (chunk) => {
        assert.ok(chunk.equals(greeting));
        isGreeted = true;
        resolve(connection);
      },
      drain: () => undefined,
      closed: (error) => {
        if (!isGreeted) reject(error ?? new Error('closed without a word'));
      },
    });
    network.connect(address, heard, 1000).catch(reject);
  });
}

describe('nodes of one machine', () => {
  test('meet at a Unix socket, and see the same address as by TCP', async (context) => {
    const { network, ways, directory } = openHost(context);
    const remotes: Address[] = [];
    const listener = await listen(network, remotes);
    assert.equal(readdirSync(directory).length, 1);
    const connection = await greeted(network, listener.address);
    assert.deepEqual(ways.taken, ['socket']);
    assert.deepEqual(connection.remote, listener.address);
    assert.equal(connection.isWithinMachine, true);
    assert.equal(remotes[0]?.host, '127.0.0.1');
  });

  test('the socket goes with the listener', async (context) => {
    const { network, directory } = openHost(context);
    const listener = await listen(network);
    await listener.close();
    assert.deepEqual(readdirSync(directory), []);
    await assert.rejects(greeted(network, listener.address), { name: 'NetworkError', code: 'refused' });
  });

  test('what a node that died has left is passed by, and taken away by the next at the port', async (context) => {
    const { network, ways, directory } = openHost(context);
    const first = await listen(network);
    const [name] = readdirSync(directory);
    await first.close();
    await leaveDeadSocket(path.join(directory, name!));
    assert.deepEqual(readdirSync(directory), [name]);
    const plain = createServer((socket) => socket.end(greeting)).listen(first.address.port, '127.0.0.1');
    await once(plain, 'listening');
    await greeted(network, first.address);
    assert.deepEqual(ways.taken, ['tcp']);
    await new Promise((resolve) => plain.close(resolve));
    const next = await network.listen(first.address, (connection) => {
      connection.write(greeting);
      return { data: () => undefined, drain: () => undefined, closed: () => undefined };
    });
    await greeted(network, next.address);
    assert.deepEqual(ways.taken, ['tcp', 'socket']);
  });

  test('a directory that others may enter is not trusted, by either end', async (context) => {
    const { network, ways, directory } = openHost(context);
    const early = await listen(network);
    chmodSync(directory, 0o755);
    await greeted(network, early.address);
    const late = await listen(network);
    assert.equal(readdirSync(directory).length, 1);
    await greeted(network, late.address);
    assert.deepEqual(ways.taken, ['tcp', 'tcp']);
  });

  test('where no socket can be made there is TCP', async (context) => {
    const { network, ways, directory } = openHost(context);
    writeFileSync(directory, 'a file');
    const listener = await listen(network);
    await greeted(network, listener.address);
    const long = new HostNetwork(ways, `${directory}-${'x'.repeat(200)}`);
    const other = await listen(long);
    await greeted(long, other.address);
    assert.deepEqual(ways.taken, ['tcp', 'tcp']);
    assert.equal(existsSync(`${directory}-${'x'.repeat(200)}`), false);
  });

  test('a name is not an address, nor is that which means all of them', async (context) => {
    const { network, ways, directory } = openHost(context);
    const listener = await listen(network);
    // What a name's socket would be called, so that only the rule keeps from it.
    const [name] = readdirSync(directory);
    linkSync(path.join(directory, name!), path.join(directory, name!.replace('127.0.0.1', 'localhost')));
    await greeted(network, { host: 'localhost', port: listener.address.port });
    assert.deepEqual(ways.taken, ['tcp']);
    const before = readdirSync(directory);
    await network.listen({ host: '0.0.0.0', port: 0 }, () => assert.fail('nobody calls'));
    assert.deepEqual(readdirSync(directory), before);
  });
});

/** As a killed process leaves one: a server takes its own away when it closes, but not another name of it. */
async function leaveDeadSocket(socket: string): Promise<void> {
  const server = createServer().listen(`${socket}.live`);
  await once(server, 'listening');
  linkSync(`${socket}.live`, socket);
  server.close();
  await once(server, 'close');
}
