export {
  AdmissionGate,
  type AdmissionOptions,
  type AdmittedWork,
  type OverloadCause,
  overloadCauses,
} from './admission-gate.ts';
export { Deadline, Deadlines, deadlineTickMs } from './deadlines.ts';
export {
  type EpochMark,
  type PeerRequestCounts,
  PeerRequests,
  type PeerRequestsOptions,
} from './peer-requests.ts';
export type { Silence, VnodeCodec } from './vnode-codec.ts';
export { noPeers, type PeerTransport, type RequestRoute, VnodeRouter } from './vnode-router.ts';
export type { VnodeService } from './vnode-service.ts';
