/** What the HTTP API says of refused requests to data types. */
import type { DatatypeError } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';
import { erlangMember } from '../../wire/index.ts';

export function datatypeErrorText(error: DatatypeError): { readonly status: number; readonly text: string } {
  switch (error.code) {
    case 'not_present':
      // Riak's status: programs that remove without a context know it.
      return {
        status: 500,
        text: `Error:\n{precondition,{not_present,${erlangMember(error.name, error.what)}}}\n`,
      };
    case 'type_mismatch':
      return {
        status: 400,
        text: `The operation is for a ${error.actual}, and this is a ${error.expected}.\n`,
      };
    case 'nested_too_deep':
      return { status: 400, text: `Maps nest deeper than ${error.nestingMax}.\n` };
    case 'increment_out_of_range':
      return { status: 400, text: `The increment ${error.increment} does not fit into 64 bits.\n` };
    case 'no_datatype':
      return { status: 403, text: `Bucket datatype 'undefined' is not a supported type.\n` };
    case 'needs_allow_mult':
      return { status: 403, text: 'Bucket must be allow_mult=true\n' };
    default:
      return unreachable(error);
  }
}
