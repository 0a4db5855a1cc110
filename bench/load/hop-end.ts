import type { Buffer } from 'node:buffer';
import { defaultConfiguration } from '../../src/config/index.ts';
import {
  PeerRequests,
  TcpMessenger,
  transportLimits,
  type VnodeCodec,
  type VnodeService,
} from '../../src/core/index.ts';
import { type Log, nodeIdOf } from '../../src/environment/index.ts';
import { nodeEnvironment } from '../../src/runtime/index.ts';

const bytes: VnodeCodec<Buffer, Buffer> = {
  requestBytes: (body) => body.length,
  writeRequest: (body, into, at) => void body.copy(into, at),
  readRequest: (body) => body,
  replyBytes: (body) => body.length,
  writeReply: (body, into, at) => void body.copy(into, at),
  readReply: (body) => body,
  isLast: () => true,
  unanswered: (reason) => {
    throw new Error(`no answer: ${reason}`);
  },
  moved: () => {
    throw new Error('nothing moves here');
  },
};

const silent: Log = { debug() {}, info() {}, warn() {}, error: console.error };

/** One node of a hop: messenger and requests as a cluster has them, and nothing behind. */
export async function openHopEnd(name: string, handle: VnodeService<Buffer, Buffer>['handle']) {
  const environment = nodeEnvironment({
    log: silent,
    crash: (activity, error) => {
      throw new Error(`crash in ${activity}`, { cause: error });
    },
  });
  const messenger = new TcpMessenger({
    environment,
    network: environment.network,
    identity: {
      node: nodeIdOf(name),
      instance: name,
      clusterId: 'bench',
      generation: 1,
      capabilities: new Map(),
    },
    limits: transportLimits(defaultConfiguration()),
  });
  const epoch = { generation: 1, epoch: 1 };
  const requests = new PeerRequests({
    environment,
    messenger,
    local: { handle },
    codec: bytes,
    epoch: () => epoch,
    sawEpoch: () => undefined,
    admits: () => 'serve',
    inFlightMax: 1000,
  });
  const { port } = await messenger.listen({ host: '127.0.0.1', port: 0 });
  return {
    port,
    requests,
    introduce: (peer: string, peerPort: number) =>
      messenger.setPeers(
        new Map([[nodeIdOf(peer), { address: { host: '127.0.0.1', port: peerPort }, instance: peer }]]),
      ),
    close: async (): Promise<void> => {
      await messenger.close();
      await environment.close();
    },
  };
}
