export { Deadline, Deadlines, deadlineTickMs } from './deadlines.ts';
export { noPeers, type PeerTransport, VnodeRouter } from './vnode-router.ts';
export type { VnodeService } from './vnode-service.ts';
