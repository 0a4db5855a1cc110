/** What the texts of RpbErrorResp mean. Riak sends no error codes: the text is the protocol. */
import { HaleError, type HaleErrorCode } from '../hale-error.ts';
import { failedPhaseOf, jobFailedError } from '../job-failure.ts';

/** First match wins. */
const meanings: readonly (readonly [RegExp, HaleErrorCode])[] = [
  [/^timeout$/, 'timeout'],
  [/^overload$/, 'overload'],
  [/^match_found$/, 'exists'],
  [/^(modified|notfound)$/, 'changed'],
  [/^stopping$/, 'unavailable'],
  [
    /^(all_nodes_down|insufficient_vnodes_available( \(partitions .*)?|\{insufficient_(vnodes|nodes),.*)$/,
    'unavailable',
  ],
  [/^(\{(r|w|dw|pr|pw|node_confirms)_val_unsatisfied,.*|too_many_fails)$/, 'quorum'],
  [/^(no_type$|No bucket-type named|Invalid bucket type:|Error no bucket type)/, 'unknown_bucket_type'],
  [/^Invalid bucket properties: not_active$/, 'unknown_bucket_type'],
  [/^\{too_(large|many_siblings),/, 'too_large'],
  [/^(storage: |\{chunk_missing,)/, 'storage'],
  [/^no_majority: /, 'unavailable'],
  [/^being_dropped$/, 'unavailable'],
  [
    /^\{precommit_fail,\[\{(unknown_field_type|field_parsing_failed|field_too_long|too_many_fields),/,
    'invalid_argument',
  ],
  [/precommit_fail/, 'rejected'],
  [/^\{precondition,\{not_present,/, 'changed'],
  [/^(Operation type is `|\{(nested_too_deep|increment_out_of_range),)/, 'invalid_argument'],
  [/is not a supported type$|^(Bucket must be|Counters require bucket property) /, 'invalid_argument'],
  [/^(\{n_val_violation,|\w+ cannot be zero-length$|\w+ is too long$)/, 'invalid_argument'],
  [/^(Invalid bucket properties:|Message decoding error:|\{\w+_val_violation,)/, 'invalid_argument'],
  [
    /^(Invalid term regular expression |Invalid continuation: |Invalid (equality|range) query)/,
    'invalid_argument',
  ],
  [
    /^(Can not use term regular|\{(unknown_field_type|field_parsing_failed|field_too_long),)/,
    'invalid_argument',
  ],
  [
    /^(\{(inputs|query|timeout|invalid_json|invalid_term),|not_json$|missing_field$|Phase \d+: )/,
    'invalid_argument',
  ],
  [/^the job (is too large$|holds more than)/, 'too_large'],
  [/^(no_feed|bad_cursor|a feed is of one key)/, 'invalid_argument'],
  [/^\{too_many_feeds,/, 'overload'],
  [/^the stream has not the length/, 'invalid_argument'],
  [/^the stream was given up/, 'timeout'],
  [/^(Unknown message code:|Invalid message packet|(no|a) stream is in progress)/, 'protocol'],
];

/** Failures that a write may have had an effect before. */
const partial: ReadonlySet<HaleErrorCode> = new Set<HaleErrorCode>([
  'timeout',
  'quorum',
  'storage',
  'server',
]);

/** Nothing has happened yet, and it still may: whoever is asked next may find that it has. */
const mayStillHappen = /^no_majority: /;

/** What comes before the reason why a job had no inputs. */
const jobInputs = /^Error sending inputs: /;

export function errorOfReply(reply: string, kind: 'read' | 'write'): HaleError {
  const phase = failedPhaseOf(reply);
  if (phase !== undefined) return jobFailedError(phase);
  const text = reply.replace(jobInputs, '');
  const code = meanings.find(([pattern]) => pattern.test(text))?.[1] ?? 'server';
  return new HaleError(code, `the node answered: ${reply}`, {
    unknownOutcome: kind === 'write' && (partial.has(code) || mayStillHappen.test(text)),
  });
}
