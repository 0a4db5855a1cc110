export { Deadline, Deadlines, deadlineTickMs } from './deadlines.ts';
export type { VnodeCodec } from './vnode-codec.ts';
export { noPeers, type PeerTransport, type RequestRoute, VnodeRouter } from './vnode-router.ts';
export type { VnodeService } from './vnode-service.ts';
