/** Why an index query is refused, in Riak's words where it has some. */
import type { QueryProblem } from '../../kv/index.ts';
import { unreachable } from '../../stdx/index.ts';

/** The body of the 400. */
export function queryProblemText(problem: QueryProblem): string {
  switch (problem.reason) {
    case 'unknown_type':
      return `Invalid query: {unknown_field_type,<<"${problem.field}">>}`;
    case 'not_integer':
      return `Invalid query: {field_parsing_failed,{<<"${problem.field}">>,<<"${problem.term}">>}}`;
    case 'too_long':
      return `Invalid query: the index or a term is longer than ${problem.bytesMax} bytes`;
    case 'pattern_on_integers':
      return 'Can not use term regular expressions on integer queries';
    case 'bad_pattern':
      return `Invalid term regular expression "${problem.pattern}" : ${problem.detail}`;
    case 'bad_continuation':
      return 'Invalid "continuation". It is not one that this database gave for this index';
    default:
      return unreachable(problem);
  }
}
