/** A client of a group of `serveRegisterReplica`s, which notes every operation for the checker. */
import { Buffer } from 'node:buffer';
import type { Connection, Environment } from '../../environment/index.ts';
import type { RegisterAction, RegisterOperation } from '../checkers/linearizability.ts';
import type { World } from '../world.ts';
import { LengthFrameReader, lengthFrame } from './length-frames.ts';
import { clientPort, type RegisterReply, type RegisterRequest } from './register-replica.ts';

const connectTimeoutMs = 300;
const replyTimeoutMs = 2000;
const pauseMs = 50;

export class ReplicatedRegisterClient {
  readonly #world: World;
  readonly #environment: Environment;
  readonly #name: string;
  readonly #servers: readonly string[];
  readonly #operations: RegisterOperation[];
  #server: number;
  #connection: Connection | undefined;
  #answered: ((reply: RegisterReply | undefined) => void) | undefined;
  #lastId = 0;

  constructor(world: World, name: string, servers: readonly string[], operations: RegisterOperation[]) {
    this.#world = world;
    this.#environment = world.node(name).environment;
    this.#name = name;
    this.#servers = servers;
    this.#operations = operations;
    this.#server = world.random.fork(name).below(servers.length);
  }

  /** Tries servers until one has done it, its outcome is unknown, or the time is over. True if it is done. */
  async run(request: Omit<RegisterRequest, 'id'>, forMs: number): Promise<boolean> {
    const until = this.#world.nowMs + forMs;
    while (this.#world.nowMs < until) {
      const calledAt = this.#world.nowMs;
      const reply = await this.#ask(request);
      if (reply === 'unsent' || (reply !== 'unknown' && reply.kind === 'refused')) {
        // Nothing happened: another may lead.
        this.#moveOn(reply === 'unsent' ? undefined : reply);
        await this.#world.sleep(pauseMs);
        continue;
      }
      const action = actionOf(request, reply);
      const returnedAt = reply === 'unknown' ? undefined : this.#world.nowMs;
      this.#operations.push({ client: this.#name, key: request.key, action, calledAt, returnedAt });
      if (reply === 'unknown') {
        this.#moveOn(undefined);
        return false;
      }
      return true;
    }
    return false;
  }

  /** Asks another server from now on, whether it leads or not. */
  roam(server: number): void {
    this.#disconnect();
    this.#server = server;
  }

  #moveOn(reply: RegisterReply | undefined): void {
    const leader = reply?.kind === 'refused' ? reply.leader : undefined;
    const known = leader === undefined ? -1 : this.#servers.indexOf(leader);
    this.#server = known >= 0 ? known : (this.#server + 1) % this.#servers.length;
    this.#disconnect();
  }

  #disconnect(): void {
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.destroy();
  }

  async #ask(request: Omit<RegisterRequest, 'id'>): Promise<RegisterReply | 'unsent' | 'unknown'> {
    if (!(await this.#isConnected())) return 'unsent';
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = await new Promise<RegisterReply | undefined>((resolve) => {
      const timer = this.#environment.timers.after(replyTimeoutMs, () => this.#answered?.(undefined));
      this.#answered = (answer) => {
        if (answer !== undefined && answer.id !== id) return;
        timer.cancel();
        this.#answered = undefined;
        resolve(answer);
      };
      this.#connection?.write(lengthFrame(Buffer.from(JSON.stringify({ ...request, id }))));
    });
    return reply ?? 'unknown';
  }

  async #isConnected(): Promise<boolean> {
    if (this.#connection !== undefined) return true;
    const reader = new LengthFrameReader();
    try {
      this.#connection = await this.#environment.network.connect(
        { host: this.#servers[this.#server]!, port: clientPort },
        (connection) => ({
          data: (chunk) => {
            for (const body of reader.bodies(chunk)) this.#answered?.(JSON.parse(body.toString()));
          },
          drain: () => undefined,
          closed: () => {
            if (this.#connection !== connection) return;
            this.#connection = undefined;
            this.#answered?.(undefined);
          },
        }),
        connectTimeoutMs,
      );
      return true;
    } catch {
      // Refused or silent: in either case nothing was sent.
      return false;
    }
  }
}

function actionOf(
  { kind, value, expected }: Omit<RegisterRequest, 'id'>,
  reply: RegisterReply | 'unknown',
): RegisterAction {
  const done = reply !== 'unknown' && reply.kind === 'done' ? reply : undefined;
  if (kind === 'read') return { kind, value: done?.value };
  if (kind === 'write') return { kind, value: value! };
  return { kind, expected, value: value!, isDone: done?.isDone };
}
