import { Buffer } from 'node:buffer';
import { configurationWith } from '../../config/index.ts';
import {
  channel,
  noTransportObserver,
  type Partition,
  PeerRequests,
  type RequestRoute,
  TcpMessenger,
  type TcpMessengerOptions,
  type TrafficClass,
  transportLimits,
  type VnodeCodec,
} from '../../core/index.ts';
import { type Environment, type NodeId, nodeIdOf } from '../../environment/index.ts';

export const messengerPort = 8099;
export const queueBytesMax = 512 * 1024;
const messageHeadBytes = 8;

export const messengerLimits = transportLimits(
  configurationWith({
    'cluster.queue.control.maximum': queueBytesMax,
    'cluster.queue.foreground.maximum': queueBytesMax,
    'cluster.queue.repair.maximum': queueBytesMax,
    'cluster.queue.handoff.maximum': queueBytesMax,
    'cluster.connect_timeout': 500,
    'cluster.handshake_timeout': 1000,
    'cluster.silence_timeout': 3000,
    'cluster.reconnect.maximum': 500,
  }),
);

/** Numbers as text: a service that answers with what it was asked. */
const echo: VnodeCodec<string, string> = {
  requestBytes: (text) => text.length,
  writeRequest: (text, into, at) => void into.write(text, at, 'latin1'),
  readRequest: (body) => body.toString('latin1'),
  replyBytes: (text) => text.length,
  writeReply: (text, into, at) => void into.write(text, at, 'latin1'),
  readReply: (body) => body.toString('latin1'),
  isLast: () => true,
  unanswered: (reason) => reason,
  moved: (epoch) => `moved ${epoch}`,
};

export interface NumberedMessage {
  readonly from: NodeId;
  readonly life: number;
  readonly traffic: TrafficClass;
  readonly number: number;
  readonly body: Buffer;
  readonly waitedMs: number;
}

export interface MessengerNodeOptions {
  readonly name: string;
  /** Where it runs, unless its name says so. */
  readonly host?: string;
  readonly life: number;
  readonly members: readonly string[];
  readonly identity?: Partial<TcpMessengerOptions['identity']>;
  readonly secret?: string;
  readonly received: (message: NumberedMessage) => void;
}

const trafficOf: readonly TrafficClass[] = ['control', 'foreground', 'repair', 'handoff'];

/** A node that numbers what it sends, and answers requests with themselves. */
export class MessengerNode {
  readonly messenger: TcpMessenger;
  readonly requests: PeerRequests<string, string>;
  connections = 0;
  readonly disconnects: string[] = [];
  readonly #host: string;
  readonly #life: number;
  readonly #numbers = new Map<string, number>();

  constructor(environment: Environment, options: MessengerNodeOptions) {
    this.#life = options.life;
    this.#host = options.host ?? hostOf(options.name);
    const node = nodeIdOf(options.name);
    this.messenger = new TcpMessenger({
      environment,
      network: environment.network,
      identity: {
        node,
        instance: `instance of ${node}`,
        clusterId: 'the cluster',
        generation: 1,
        capabilities: new Map(),
        ...options.identity,
      },
      secret: options.secret ?? 'the secret',
      limits: messengerLimits,
      observer: {
        ...noTransportObserver,
        connected: () => {
          this.connections += 1;
        },
      },
    });
    this.messenger.onDisconnect((peer, traffic) => this.disconnects.push(`${peer} ${traffic}`));
    this.messenger.receive(channel.transfer, (from, body, waitedMs = 0) => {
      options.received({
        waitedMs,
        from,
        life: body.readUInt16BE(0),
        traffic: trafficOf[body.readUInt16BE(2)]!,
        number: body.readUInt32BE(4),
        body: body.subarray(messageHeadBytes),
      });
    });
    this.requests = new PeerRequests({
      environment,
      messenger: this.messenger,
      local: { handle: (_partition, text, reply) => reply(text) },
      codec: echo,
      epoch: () => ({ generation: 1, epoch: 1 }),
      sawEpoch: () => undefined,
      admits: () => 'serve',
      inFlightMax: 1000,
    });
    const members = options.members.map((name) => {
      const member = {
        address: { host: hostOf(name), port: messengerPort },
        instance: `instance of ${name}`,
      };
      return [nodeIdOf(name), member] as const;
    });
    this.messenger.setPeers(new Map(members));
  }

  async listen(): Promise<void> {
    await this.messenger.listen({ host: this.#host, port: messengerPort });
  }

  /** Each body is filled with its number's last byte. False: refused, and the number is not used. */
  sendNumbered(to: string, traffic: TrafficClass, bodyBytes: number): boolean {
    const key = `${to} ${traffic}`;
    const number = this.#numbers.get(key) ?? 0;
    const length = messageHeadBytes + bodyBytes;
    const isSent = this.messenger.send(nodeIdOf(to), traffic, channel.transfer, length, (into, at) => {
      into.writeUInt16BE(this.#life, at);
      into.writeUInt16BE(trafficOf.indexOf(traffic), at + 2);
      into.writeUInt32BE(number, at + 4);
      into.fill(number & 0xff, at + messageHeadBytes, at + length);
    });
    if (isSent) this.#numbers.set(key, number + 1);
    return isSent;
  }

  ask(
    to: string,
    text: string,
    timeoutMs: number,
    traffic: RequestRoute['traffic'],
    heard: (r: string) => void,
  ) {
    const route = { timeoutMs, traffic, primary: true };
    this.requests.send(nodeIdOf(to), 3 as Partition, text, route, heard);
  }
}

function hostOf(name: string): string {
  return name.slice(name.indexOf('@') + 1);
}

export function isFilledWith(body: Buffer, byte: number): boolean {
  return body.equals(Buffer.alloc(body.length, byte));
}
