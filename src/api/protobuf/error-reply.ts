/**
 * Every error text of the Protocol Buffers API. Riak's `errcode` is always 0, so programs match on the
 * text: what stands here is part of the protocol, down to Erlang's way of printing a term.
 */
import type { DatatypeError, IndexProblem, KvError, PropertyProblem, QueryProblem } from '../../kv/index.ts';
import { type ByteString, bytesOfText, unreachable } from '../../stdx/index.ts';
import { erlangBinary, erlangMember, ProtoWriter, rpbErrorResp, writeFrame } from '../../wire/index.ts';

export const overloadText = 'overload';
const overloadFrame = encodedError(overloadText);

export function writeError(writer: ProtoWriter, text: string): void {
  // Said the oftener, the less time there is to say it.
  if (text === overloadText) writer.raw(overloadFrame);
  else writeErrorFrame(writer, text);
}

function writeErrorFrame(writer: ProtoWriter, text: string): void {
  writeFrame(writer, rpbErrorResp, { errmsg: bytesOfText(text), errcode: 0 });
}

function encodedError(text: string): Uint8Array {
  const writer = new ProtoWriter();
  writeErrorFrame(writer, text);
  return writer.take();
}

export function unknownCode(code: number): string {
  return `Unknown message code: ${code}`;
}

export function undecodable(reason: string): string {
  return `Message decoding error: ${reason}`;
}

/** The connection is closed after this one: what follows cannot be told apart any more. */
export function badFrame(reason: string): string {
  return `Invalid message packet, reason: ${reason}`;
}

/** Riak closes the connection after this one, and so do we: the client lost track. */
export const requestDuringStream = 'Cannot send another request while one is in progress';
export const startTlsRefused = 'Security not enabled; STARTTLS not allowed.';
export const tooManyBuckets = 'too many buckets for one reply, stream them';

const nounOf = { type: 'Type', bucket: 'Bucket', key: 'Key' } as const;

export function emptyName(what: keyof typeof nounOf): string {
  return `${nounOf[what]} cannot be zero-length`;
}

export function badSyncOnWrite(word: ByteString): string {
  return `{sync_on_write_val_violation,${erlangBinary(word)}}`;
}

/** For listings and properties of buckets; point requests say `no_type`. */
export function noBucketTypeNamed(type: string): string {
  return `No bucket-type named '${type}'`;
}

/** For requests to data types. */
export function noBucketTypeForDatatypes(type: ByteString): string {
  return `Error no bucket type \`${erlangBinary(type)}\``;
}

/** For the properties of types. */
export function invalidBucketType(type: ByteString): string {
  return `Invalid bucket type: ${erlangBinary(type)}`;
}

export function invalidProperties(problems: readonly PropertyProblem[]): string {
  const printed = problems.map(({ property, reason }) => `{${property},${reason}}`);
  return `Invalid bucket properties: [${printed.join(',')}]`;
}

/** The untyped namespace has no type whose properties could be set. */
export const defaultTypeUpdate = 'Invalid bucket properties: no_default_update';
export const inactiveTypeUpdate = 'Invalid bucket properties: not_active';

/** The text for an error of the store. */
export function textOfError(error: KvError): string {
  switch (error.code) {
    case 'timeout':
    case 'overload':
    case 'match_found':
    case 'modified':
    case 'notfound':
    case 'all_nodes_down':
    case 'being_dropped':
    case 'no_feed':
    case 'bad_cursor':
      return error.code;
    case 'too_many_feeds':
      return `{too_many_feeds,${error.feedsMax}}`;
    case 'insufficient_vnodes_available':
      return `${error.code}${partitionsText(error.partitions)}`;
    case 'n_val_violation':
      return `{n_val_violation,${error.nVal}}`;
    case 'quorum_unsatisfied':
      return `{${error.quorum}_val_unsatisfied,${error.wanted},${error.got}}`;
    case 'insufficient_vnodes':
      return `{insufficient_vnodes,${error.up},need,${error.needed}}`;
    case 'insufficient_nodes':
      return `{insufficient_nodes,${error.up},need,${error.needed}}`;
    case 'bad_context':
      return undecodable('the vclock is not one that this database issued');
    case 'bad_content':
      return undecodable(error.reason);
    case 'bad_index':
      return badIndex(error.problem);
    case 'precommit_fail':
      return error.reason === undefined
        ? error.code
        : `{precommit_fail,${erlangBinary(bytesOfText(error.reason))}}`;
    case 'bad_query':
      return badQuery(error.problem);
    case 'bad_name':
      return error.reason === 'empty' ? emptyName(error.what) : `${nounOf[error.what]} is too long`;
    case 'unknown_bucket_type':
      return 'no_type';
    case 'too_large':
      return `{too_large,${error.bytes},${error.bytesMax}}`;
    case 'too_large_to_assemble':
      return `{too_large,${error.bytes},${error.bytesMax}}: a value of this size is read by HTTP, which sends it in pieces`;
    case 'chunk_missing':
      return `{chunk_missing,${error.index}}`;
    case 'too_many_siblings':
      return `{too_many_siblings,${error.siblings},${error.siblingsMax}}`;
    case 'storage':
      return `storage: ${error.reason}`;
    case 'no_majority':
      return `no_majority: ${error.reason}`;
    case 'invalid_properties':
      return invalidProperties(error.problems);
    case 'stopping':
      return 'stopping';
    case 'not_present':
    case 'type_mismatch':
    case 'nested_too_deep':
    case 'increment_out_of_range':
    case 'no_datatype':
    case 'needs_allow_mult':
      return textOfDatatypeError(error);
    default:
      return unreachable(error);
  }
}

function textOfDatatypeError(error: DatatypeError): string {
  switch (error.code) {
    case 'not_present':
      return `{precondition,{not_present,${erlangMember(error.name, error.what)}}}`;
    case 'type_mismatch':
      // With two blanks, as Riak has it.
      return `Operation type is \`${error.actual}\` but  bucket type is \`${error.expected}\`.`;
    case 'nested_too_deep':
      return `{nested_too_deep,${error.nestingMax}}`;
    case 'increment_out_of_range':
      return `{increment_out_of_range,${error.increment}}`;
    case 'no_datatype':
      return '`undefined` is not a supported type';
    case 'needs_allow_mult':
      return 'Bucket must be allow_mult=true';
    default:
      return unreachable(error);
  }
}

/** As `textOfError`, for listings and properties of buckets. */
export function textOfBucketError(error: KvError): string {
  return error.code === 'unknown_bucket_type' ? noBucketTypeNamed(error.bucketType) : textOfError(error);
}

/** Not so many that nobody reads them. */
const partitionsShownMax = 64;

function partitionsText(partitions: readonly number[] | undefined): string {
  if (partitions === undefined || partitions.length === 0) return '';
  const rest = partitions.length > partitionsShownMax ? ',…' : '';
  return ` (partitions ${partitions.slice(0, partitionsShownMax).join(',')}${rest})`;
}

function badQuery(problem: QueryProblem): string {
  switch (problem.reason) {
    case 'unknown_type':
    case 'not_integer':
    case 'too_long':
      return indexReason(problem);
    case 'pattern_on_integers':
      return 'Can not use term regular expression in integer query';
    case 'bad_pattern':
      return `Invalid term regular expression ${erlangBinary(problem.pattern)} : ${problem.detail}`;
    case 'bad_continuation':
      return 'Invalid continuation: not one that this database gave for this index';
    default:
      return unreachable(problem);
  }
}

/** A bad index entry fails a put as a pre-commit hook would. */
function badIndex(problem: IndexProblem): string {
  return `{precommit_fail,[${indexReason(problem)}]}`;
}

function indexReason(problem: IndexProblem): string {
  switch (problem.reason) {
    case 'unknown_type':
      return `{unknown_field_type,<<"${problem.field}">>}`;
    case 'not_integer':
      return `{field_parsing_failed,{<<"${problem.field}">>,<<"${problem.term}">>}}`;
    case 'too_long':
      return `{field_too_long,{<<"${problem.field}">>,${problem.bytesMax}}}`;
    case 'too_many':
      return `{too_many_fields,${problem.entriesMax}}`;
    default:
      return unreachable(problem);
  }
}
