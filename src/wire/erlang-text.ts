/** Erlang's way of printing terms, as it stands in error texts that Riak's programs match on. */
import { type ByteString, bufferOf } from '../stdx/index.ts';

/** Erlang prints a binary of printable characters as text, any other as its bytes. */
export function erlangBinary(bytes: ByteString): string {
  if (/^[\x20-\x7e]*$/.test(bytes)) return `<<"${bytes.replaceAll(/["\\]/g, '\\$&')}">>`;
  return `<<${[...bufferOf(bytes)].join(',')}>>`;
}

/** By the modules that hold the types within Riak's maps. */
const moduleOfField = {
  counter: 'riak_dt_emcntr',
  flag: 'riak_dt_od_flag',
  map: 'riak_dt_map',
  register: 'riak_dt_lwwreg',
  set: 'riak_dt_orswot',
} as const;

/** An element of a set, or a field of a map, which has a type. */
export function erlangMember(name: ByteString, what: 'element' | keyof typeof moduleOfField): string {
  return what === 'element' ? erlangBinary(name) : `{${erlangBinary(name)},${moduleOfField[what]}}`;
}
