/** How many keys a bucket has. Of Hale alone, as the change feed is. */
import { frame, optional, required } from '../message-type.ts';

export const haleCountReq = frame('HaleCountReq', 247, {
  bucket: required(1, 'name'),
  type: optional(2, 'name'),
  timeout: optional(3, 'uint32'),
});
export const haleCountResp = frame('HaleCountResp', 248, { count: required(1, 'uint64') });
