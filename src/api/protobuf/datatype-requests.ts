/** Fetches and updates of data types, and the counters of Riak 1.4. */
import { Buffer } from 'node:buffer';
import type { Datatypes, KvError } from '../../kv/index.ts';
import { bytesOfText } from '../../stdx/index.ts';
import {
  dataType,
  dtFetchReq,
  dtFetchResp,
  dtUpdateReq,
  dtUpdateResp,
  type FrameType,
  type MessageOf,
  rpbCounterGetReq,
  rpbCounterGetResp,
  rpbCounterUpdateReq,
  rpbCounterUpdateResp,
} from '../../wire/index.ts';
import { operationOf } from './datatype-operation.ts';
import { dtValueOf, onTheWire, updateReplyOf } from './datatype-value.ts';
import { noBucketTypeForDatatypes, textOfError, undecodable, unknownCode } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { decodeOrRefuse, type FrameBody } from './frame-body.ts';
import { defaultType, emptyNameError, quorum } from './point-requests.ts';

/** By their codes; each is handed the frame, since a large one is refused before it is decoded. */
export const datatypeRequests: readonly (readonly [number, (exchange: Exchange, body: FrameBody) => void])[] =
  [
    served(dtFetchReq, dtFetch),
    served(dtUpdateReq, dtUpdate),
    served(rpbCounterGetReq, counterGet),
    served(rpbCounterUpdateReq, counterUpdate),
  ];

function served<T>(
  type: FrameType<T>,
  handle: (exchange: Exchange, datatypes: Datatypes, message: T) => void,
): readonly [number, (exchange: Exchange, body: FrameBody) => void] {
  const serve = (exchange: Exchange, body: FrameBody): void => {
    const { datatypes } = exchange.service;
    if (datatypes === undefined) {
      exchange.fail(unknownCode(type.code));
      return;
    }
    const bytes = body.end - body.start;
    const bytesMax = datatypes.requestBytesMax;
    if (bytes > bytesMax) {
      exchange.fail(textOfError({ code: 'too_large', bytes, bytesMax }));
      return;
    }
    const message = decodeOrRefuse(exchange, type, body);
    if (message !== undefined) handle(exchange, datatypes, message);
  };
  return [type.code, serve];
}

function dtFetch(exchange: Exchange, datatypes: Datatypes, message: MessageOf<typeof dtFetchReq>): void {
  const { bucket, key, type } = message;
  const badName = emptyNameError(bucket, key, type);
  if (badName !== undefined) {
    exchange.fail(badName);
    return;
  }
  const request = {
    bucketType: type,
    bucket,
    key,
    isLegacyCounter: type === defaultType,
    r: quorum(message.r),
    pr: quorum(message.pr),
    basicQuorum: message.basic_quorum,
    notfoundOk: message.notfound_ok,
    nodeConfirms: quorum(message.node_confirms),
    sloppyQuorum: message.sloppy_quorum,
    nVal: message.n_val,
    timeoutMs: message.timeout,
  };
  datatypes.fetch(request, (result) => {
    if (result.kind === 'failed') {
      const { error } = result;
      exchange.fail(request.isLegacyCounter ? counterErrorText(error) : datatypeErrorText(error));
    } else if (result.kind === 'notfound') {
      exchange.reply(dtFetchResp, { type: dataType[result.type] });
    } else {
      const { value } = result;
      const context = message.include_context === false ? undefined : result.context;
      exchange.reply(dtFetchResp, { context, type: dataType[value.type], value: dtValueOf(value) });
    }
  });
}

function dtUpdate(exchange: Exchange, datatypes: Datatypes, message: MessageOf<typeof dtUpdateReq>): void {
  const { bucket, key, type } = message;
  const badName = emptyNameError(bucket, key, type);
  const operation = operationOf(message.op);
  if (badName !== undefined || typeof operation === 'string') {
    exchange.fail(badName ?? undecodable(operation as string));
    return;
  }
  const request = {
    bucketType: type,
    bucket,
    key,
    operation,
    // Contexts outlive the frame that they came in.
    context: message.context === undefined ? undefined : Buffer.from(message.context),
    returnValue: message.return_body === true,
    w: quorum(message.w),
    dw: quorum(message.dw),
    pw: quorum(message.pw),
    nodeConfirms: quorum(message.node_confirms),
    sloppyQuorum: message.sloppy_quorum,
    nVal: message.n_val,
    timeoutMs: message.timeout,
  };
  datatypes.update(request, (outcome) => {
    if (outcome.kind === 'failed') {
      exchange.fail(updateErrorText(outcome.error));
      return;
    }
    const { snapshot, generatedKey } = outcome;
    const context = message.include_context === false ? undefined : snapshot?.context;
    const value = snapshot === undefined ? {} : updateReplyOf(snapshot.value);
    exchange.reply(dtUpdateResp, { key: generatedKey, context, ...value });
  });
}

function counterGet(
  exchange: Exchange,
  datatypes: Datatypes,
  message: MessageOf<typeof rpbCounterGetReq>,
): void {
  const { bucket, key } = message;
  const badName = emptyNameError(bucket, key, undefined);
  if (badName !== undefined) {
    exchange.fail(badName);
    return;
  }
  const request = {
    bucketType: defaultType,
    bucket,
    key,
    isLegacyCounter: true,
    r: quorum(message.r),
    pr: quorum(message.pr),
    basicQuorum: message.basic_quorum,
    notfoundOk: message.notfound_ok,
    nodeConfirms: quorum(message.node_confirms),
  };
  datatypes.fetch(request, (result) => {
    if (result.kind === 'failed') exchange.fail(counterErrorText(result.error));
    else if (result.kind === 'notfound') exchange.reply(rpbCounterGetResp, {});
    else exchange.reply(rpbCounterGetResp, dtCounter(result.value));
  });
}

function counterUpdate(
  exchange: Exchange,
  datatypes: Datatypes,
  message: MessageOf<typeof rpbCounterUpdateReq>,
): void {
  const { bucket, key } = message;
  const badName = emptyNameError(bucket, key, undefined);
  if (badName !== undefined) {
    exchange.fail(badName);
    return;
  }
  const request = {
    bucketType: defaultType,
    bucket,
    key,
    isLegacyCounter: true,
    operation: { kind: 'counter', increment: message.amount },
    returnValue: message.returnvalue === true,
    w: quorum(message.w),
    dw: quorum(message.dw),
    pw: quorum(message.pw),
    nodeConfirms: quorum(message.node_confirms),
  } as const;
  datatypes.update(request, (outcome) => {
    if (outcome.kind === 'failed') exchange.fail(counterErrorText(outcome.error));
    else {
      const { snapshot } = outcome;
      exchange.reply(rpbCounterUpdateResp, snapshot === undefined ? {} : dtCounter(snapshot.value));
    }
  });
}

function dtCounter(value: { readonly type: string; readonly value: unknown }): { readonly value?: bigint } {
  return typeof value.value === 'bigint' ? { value: onTheWire(value.value) } : {};
}

function datatypeErrorText(error: KvError): string {
  if (error.code === 'bad_context') {
    return undecodable('the context is not one that this database issued');
  }
  if (error.code === 'unknown_bucket_type') return noBucketTypeForDatatypes(bytesOfText(error.bucketType));
  return textOfError(error);
}

function updateErrorText(error: KvError): string {
  if (error.code === 'no_datatype') return 'Bucket datatype `undefined` is not a supported type';
  return datatypeErrorText(error);
}

function counterErrorText(error: KvError): string {
  if (error.code === 'needs_allow_mult') return "Counters require bucket property 'allow_mult=true'";
  return datatypeErrorText(error);
}
