/** Search queries, and the administration of indexes and schemas. */
import { frame, nested, optional, repeated, required } from '../message-type.ts';
import { rpbPair } from './objects.ts';

export const rpbSearchQueryReq = frame('RpbSearchQueryReq', 27, {
  q: required(1, 'name'),
  index: required(2, 'name'),
  rows: optional(3, 'uint32'),
  start: optional(4, 'uint32'),
  sort: optional(5, 'name'),
  filter: optional(6, 'name'),
  df: optional(7, 'name'),
  op: optional(8, 'name'),
  fl: repeated(9, 'name'),
  presort: optional(10, 'name'),
});
export const rpbSearchDoc = nested('RpbSearchDoc', { fields: repeated(1, rpbPair) });
export const rpbSearchQueryResp = frame('RpbSearchQueryResp', 28, {
  docs: repeated(1, rpbSearchDoc),
  max_score: optional(2, 'float'),
  num_found: optional(3, 'uint32'),
});

export const rpbYokozunaIndex = nested('RpbYokozunaIndex', {
  name: required(1, 'name'),
  schema: optional(2, 'name'),
  n_val: optional(3, 'uint32'),
});
export const rpbYokozunaIndexGetReq = frame('RpbYokozunaIndexGetReq', 54, { name: optional(1, 'name') });
export const rpbYokozunaIndexGetResp = frame('RpbYokozunaIndexGetResp', 55, {
  index: repeated(1, rpbYokozunaIndex),
});
export const rpbYokozunaIndexPutReq = frame('RpbYokozunaIndexPutReq', 56, {
  index: required(1, rpbYokozunaIndex),
  timeout: optional(2, 'uint32'),
});
export const rpbYokozunaIndexDeleteReq = frame('RpbYokozunaIndexDeleteReq', 57, {
  name: required(1, 'name'),
});
export const rpbYokozunaSchema = nested('RpbYokozunaSchema', {
  name: required(1, 'name'),
  content: optional(2, 'slice'),
});
export const rpbYokozunaSchemaGetReq = frame('RpbYokozunaSchemaGetReq', 58, { name: required(1, 'name') });
export const rpbYokozunaSchemaGetResp = frame('RpbYokozunaSchemaGetResp', 59, {
  schema: required(1, rpbYokozunaSchema),
});
export const rpbYokozunaSchemaPutReq = frame('RpbYokozunaSchemaPutReq', 60, {
  schema: required(1, rpbYokozunaSchema),
});
