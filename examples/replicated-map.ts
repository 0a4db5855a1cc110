/**
 * A map on three processes that agree on every change, on `hale/consensus` alone. The leader is killed in
 * the middle; the others go on; it comes back and has all.
 *
 * Left out for brevity: checksums and group commit (`hale/wal` has them), and snapshots, without which the
 * log grows for ever.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { connect as connectTo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  decodeLogWrite,
  decodeMessage,
  defaultOptions,
  type Effect,
  encodeLogWrite,
  encodeMessage,
  foundingState,
  type LogWrite,
  type PersistedState,
  peerIdOf,
  Replica,
  type ReplicaEvent,
} from 'hale/consensus';

type Instant = ReturnType<Replica['deadline']> & number;
type Ports = Readonly<Record<string, number>>;
type Request =
  | { readonly kind: 'ports'; readonly ports: Ports }
  | { readonly kind: 'set'; readonly id: number; readonly key: string; readonly value: string }
  | { readonly kind: 'get'; readonly id: number; readonly key: string };
type Reply =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'done'; readonly id: number; readonly value?: string }
  | { readonly kind: 'refused'; readonly id: number };

const names = ['a', 'b', 'c'];
const founders = names.map(peerIdOf);
const now = (): Instant => performance.now() as Instant;

/** Bytes behind their length. */
function framed(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(bytes.length);
  return Buffer.concat([head, bytes]);
}

/** The whole frames of `bytes`, and what is left. */
function unframe(bytes: Buffer): { frames: Buffer[]; rest: Buffer } {
  const frames: Buffer[] = [];
  let at = 0;
  while (bytes.length - at >= 4 && bytes.length - at - 4 >= bytes.readUInt32LE(at)) {
    const end = at + 4 + bytes.readUInt32LE(at);
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** A file of log writes: what a replica knows when it comes back. */
class Journal {
  persisted: PersistedState = foundingState(founders);
  readonly #file: number;

  constructor(name: string) {
    if (existsSync(name)) {
      for (const frame of unframe(readFileSync(name)).frames) this.#apply(decodeLogWrite(frame)!);
    }
    this.#file = openSync(name, 'a');
  }

  write(write: LogWrite): void {
    writeSync(this.#file, framed(encodeLogWrite(write)));
    fsyncSync(this.#file);
    this.#apply(write);
  }

  #apply({ hardState, entries }: LogWrite): void {
    const from = entries[0]?.index ?? Number.POSITIVE_INFINITY;
    const kept = this.persisted.entries.filter(({ index }) => index < from);
    this.persisted = {
      ...this.persisted,
      hardState: hardState ?? this.persisted.hardState,
      entries: [...kept, ...entries],
    };
  }
}

/** One of the three: a replica, its journal, its sockets, and the map. */
class MapProcess {
  readonly #name: string;
  readonly #journal: Journal;
  readonly #replica: Replica;
  readonly #map = new Map<string, string>();
  readonly #waiting = new Map<number, Request>();
  readonly #links = new Map<string, Socket>();
  #ports: Ports = {};
  #events: ReplicaEvent[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(name: string, file: string) {
    this.#name = name;
    this.#journal = new Journal(file);
    const { persisted } = this.#journal;
    const random = { fraction: Math.random };
    this.#replica = new Replica({
      id: peerIdOf(name),
      persisted,
      options: defaultOptions,
      random,
      now: now(),
    });
  }

  start(): void {
    const server = createServer((socket) => this.#accept(socket));
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null)
        this.#tell({ kind: 'listening', port: address.port });
    });
    process.on('message', (request: Request) => this.#asked(request));
    process.on('disconnect', () => process.exit(0));
    this.#step({ kind: 'wake' });
  }

  #tell(reply: Reply): void {
    process.send?.(reply);
  }

  #asked(request: Request): void {
    if (request.kind === 'ports') {
      this.#ports = request.ports;
      return;
    }
    const token = request.id;
    this.#waiting.set(token, request);
    if (request.kind === 'get') this.#step({ kind: 'read', tokens: [token] });
    else {
      const bytes = Buffer.from(JSON.stringify({ ...request, from: this.#name }));
      this.#step({ kind: 'propose', proposals: [{ token, bytes }] });
    }
  }

  /** Tells the replica, and does what it says; one event after another. */
  #step(event: ReplicaEvent): void {
    this.#events.push(event);
    if (this.#events.length > 1) return;
    while (this.#events.length > 0) {
      for (const effect of this.#replica.step(this.#events[0]!, now())) this.#carryOut(effect);
      this.#events.shift();
    }
    clearTimeout(this.#timer);
    const deadline = this.#replica.deadline();
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.#step({ kind: 'wake' }), Math.max(0, deadline - now()));
  }

  #carryOut(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#send(effect.to, encodeMessage(effect.message));
        break;
      case 'persist':
        this.#journal.write(effect);
        this.#step({ kind: 'persisted', sequence: effect.sequence });
        for (const send of effect.onceDurable) this.#carryOut(send);
        break;
      case 'apply':
        for (const entry of effect.entries) if (entry.kind === 'command') this.#apply(entry.bytes);
        break;
      case 'read-ready': {
        const request = this.#waiting.get(effect.token);
        this.#waiting.delete(effect.token);
        if (request?.kind === 'get')
          this.#tell({ kind: 'done', id: request.id, value: this.#map.get(request.key) });
        break;
      }
      case 'refused':
        this.#waiting.delete(effect.token);
        this.#tell({ kind: 'refused', id: effect.token });
        break;
      case 'role':
        if (effect.role === 'leader') console.log(`${this.#name} leads term ${effect.term}`);
        break;
      default:
        break;
    }
  }

  #apply(bytes: Uint8Array): void {
    const { id, key, value, from } = JSON.parse(Buffer.from(bytes).toString());
    this.#map.set(key, value);
    // Who proposed it answers, unless it was in a life before.
    if (from === this.#name && this.#waiting.delete(id)) this.#tell({ kind: 'done', id });
  }

  #send(to: string, message: Buffer): void {
    const known = this.#links.get(to);
    if (known !== undefined) {
      known.write(framed(message));
      return;
    }
    const port = this.#ports[to];
    if (port === undefined) return;
    const socket = connectTo(port, '127.0.0.1');
    this.#links.set(to, socket);
    // What is lost, the replicas send again.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#links.delete(to));
    socket.write(framed(Buffer.from(this.#name)));
    socket.write(framed(message));
  }

  #accept(socket: Socket): void {
    let rest = Buffer.alloc(0);
    let from: string | undefined;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      const cut = unframe(Buffer.concat([rest, chunk]));
      rest = Buffer.from(cut.rest);
      for (const frame of cut.frames) {
        if (from === undefined) {
          from = frame.toString();
          continue;
        }
        const message = decodeMessage(frame);
        if (message !== undefined) this.#step({ kind: 'message', from: peerIdOf(from), message });
      }
    });
  }
}

/** The parent's side: starts the three, asks whoever leads, kills. */
class Group {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'replicated-map-'));
  readonly #children = new Map<string, ChildProcess>();
  readonly #ports: Record<string, number> = {};
  readonly #waiting = new Map<number, (reply: Reply | undefined) => void>();
  #lastId = 0;
  leader = names[0]!;

  start(name: string): Promise<void> {
    return new Promise((resolve) => {
      const child = fork(process.argv[1]!, [name, path.join(this.#directory, name)]);
      this.#children.set(name, child);
      child.on('message', (reply: Reply) => {
        if (reply.kind !== 'listening') {
          this.#waiting.get(reply.id)?.(reply);
          return;
        }
        this.#ports[name] = reply.port;
        for (const each of this.#children.values()) each.send({ kind: 'ports', ports: this.#ports });
        resolve();
      });
    });
  }

  kill(name: string): void {
    this.#children.get(name)?.kill('SIGKILL');
    this.#children.delete(name);
  }

  /** A set may be done twice: here that is no harm. */
  async ask(kind: 'set' | 'get', key: string, value = ''): Promise<string | undefined> {
    for (;;) {
      const reply = await this.#askOnce(kind, key, value);
      if (reply?.kind === 'done') return reply.value;
      this.leader = names[(names.indexOf(this.leader) + 1) % names.length]!;
      await sleep(50);
    }
  }

  #askOnce(kind: 'set' | 'get', key: string, value: string): Promise<Reply | undefined> {
    const child = this.#children.get(this.leader);
    if (child === undefined) return Promise.resolve(undefined);
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise((resolve) => {
      const settle = (reply: Reply | undefined): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(reply);
      };
      const timer = setTimeout(() => settle(undefined), 2000);
      this.#waiting.set(id, settle);
      child.send({ kind, id, key, value });
    });
  }

  stop(): void {
    for (const name of [...this.#children.keys()]) this.kill(name);
    rmSync(this.#directory, { recursive: true });
  }
}

async function main(): Promise<void> {
  const group = new Group();
  await Promise.all(names.map((name) => group.start(name)));
  for (let i = 0; i < 100; i++) await group.ask('set', `key${i}`, `before ${i}`);
  const { leader } = group;
  console.log(`100 keys are set; ${leader} is killed`);
  group.kill(leader);
  for (let i = 50; i < 150; i++) await group.ask('set', `key${i}`, `after ${i}`);
  console.log('100 more are set by the other two');
  await group.start(leader);
  // Without the one that led meanwhile, the one that came back must have everything.
  group.kill(group.leader);
  const values = await Promise.all([10, 60, 140].map((i) => group.ask('get', `key${i}`)));
  console.log(values.join(', '));
  if (values.join() !== 'before 10,after 60,after 140') throw new Error('something was lost');
  group.stop();
}

const [name, file] = process.argv.slice(2);
if (name === undefined || file === undefined) await main();
else new MapProcess(name, file).start();
