/** Errors, liveness, identity and the security handshake. */
import { frame, optional, required } from '../message-type.ts';

export const rpbErrorResp = frame('RpbErrorResp', 0, {
  errmsg: required(1, 'name'),
  errcode: required(2, 'uint32'),
});
export const rpbPingReq = frame('RpbPingReq', 1, {});
export const rpbPingResp = frame('RpbPingResp', 2, {});
export const rpbGetClientIdReq = frame('RpbGetClientIdReq', 3, {});
export const rpbGetClientIdResp = frame('RpbGetClientIdResp', 4, { client_id: required(1, 'name') });
export const rpbSetClientIdReq = frame('RpbSetClientIdReq', 5, { client_id: required(1, 'name') });
export const rpbSetClientIdResp = frame('RpbSetClientIdResp', 6, {});
export const rpbGetServerInfoReq = frame('RpbGetServerInfoReq', 7, {});
export const rpbGetServerInfoResp = frame('RpbGetServerInfoResp', 8, {
  node: optional(1, 'name'),
  server_version: optional(2, 'name'),
});
export const rpbAuthReq = frame('RpbAuthReq', 253, {
  user: required(1, 'name'),
  password: required(2, 'name'),
});
export const rpbAuthResp = frame('RpbAuthResp', 254, {});
export const rpbStartTls = frame('RpbStartTls', 255, {});
