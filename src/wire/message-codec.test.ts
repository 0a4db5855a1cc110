import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ByteString } from '../stdx/index.ts';
import { DecodeError } from './decode-error.ts';
import { messageCatalogue, messageOfCode } from './message-catalogue.ts';
import {
  decodeMessage,
  decodeRequest,
  encodeFrame,
  encodeMessage,
  messageDepthMax,
  requestFieldsMax,
} from './message-codec.ts';
import type { FieldKind, MessageType } from './message-type.ts';
import { rpbAaeFoldMergeBranchNValReq } from './messages/aae-folds.ts';
import { rpbErrorResp } from './messages/connection.ts';
import { dtUpdateReq } from './messages/data-types.ts';
import { rpbGetReq, rpbPutReq, rpbPutResp } from './messages/objects.ts';
import { writeGetReply, writePutReply } from './point-reply.ts';
import { GetRequestReader, PutRequestReader } from './point-request.ts';
import { ProtoWriter } from './proto-writer.ts';

const runs = Number(process.env.LAW_RUNS ?? 100);

function fieldValue(kind: FieldKind, depth: number): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'uint32':
      return fc.oneof(fc.nat(), fc.integer({ min: 0, max: 0xffff_ffff }));
    case 'bool':
      return fc.boolean();
    case 'sint64':
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uint64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'float':
      return fc.float({ noNaN: true });
    case 'name':
      return fc
        .uint8Array({ maxLength: 200 })
        .map((bytes) => Buffer.from(bytes).toString('latin1') as ByteString);
    case 'slice':
      return fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    default:
      return messageArbitrary('lazy' in kind ? kind.lazy() : kind, depth + 1);
  }
}

function messageArbitrary(type: MessageType<unknown>, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  const requiredKeys: string[] = [];
  for (const field of type.fields) {
    const isMessage = typeof field.kind !== 'string';
    if (isMessage && depth >= 3 && field.label !== 'required') {
      if (field.label === 'repeated') model[field.name] = fc.constant([]);
    } else {
      const value = fieldValue(field.kind, depth);
      model[field.name] = field.label === 'repeated' ? fc.array(value, { maxLength: 2 }) : value;
    }
    if (field.label !== 'optional') requiredKeys.push(field.name);
  }
  return fc.record(model, { requiredKeys, noNullPrototype: true });
}

const anyMessage = fc
  .constantFrom(...messageCatalogue)
  .chain((type) => messageArbitrary(type).map((message) => ({ type, message })));

test('decode is the inverse of encode, for every message of the catalogue', () => {
  for (const type of messageCatalogue) {
    fc.assert(
      fc.property(messageArbitrary(type), (message) => {
        assert.deepEqual(decodeMessage(type, encodeMessage(type, message as never)), message);
      }),
      { numRuns: Math.ceil(runs / 5) },
    );
  }
});

test('the catalogue is complete, each code once, found by its code', () => {
  const codes = messageCatalogue.map((type) => type.code);
  assert.equal(new Set(codes).size, codes.length);
  // 0-34 without gaps, then the ranges in use.
  const ranges = [
    0, 34, 40, 42, 50, 60, 70, 71, 80, 83, 128, 130, 200, 200, 202, 207, 210, 224, 230, 231, 240, 248, 253,
    255,
  ];
  const expected: number[] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    for (let code = ranges[i]!; code <= ranges[i + 1]!; code += 1) expected.push(code);
  }
  assert.deepEqual(codes, expected);
  for (const type of messageCatalogue) assert.equal(messageOfCode(type.code), type);
  assert.equal(messageOfCode(99), undefined);
});

test('mutated messages decode or throw DecodeError, nothing else', () => {
  const mutation = fc.record({
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    how: fc.constantFrom('replace', 'insert', 'delete', 'cut'),
  });
  let refused = 0;
  let accepted = 0;
  fc.assert(
    fc.property(
      anyMessage,
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      ({ type, message }, mutations) => {
        let bytes = [...encodeMessage(type, message as never)];
        for (const { at, byte, how } of mutations) {
          const index = bytes.length === 0 ? 0 : at % bytes.length;
          if (how === 'replace') bytes[index] = byte;
          else if (how === 'insert') bytes.splice(index, 0, byte);
          else if (how === 'delete') bytes.splice(index, 1);
          else bytes = bytes.slice(0, index);
        }
        try {
          decodeMessage(type, Buffer.from(bytes));
          accepted += 1;
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
          refused += 1;
        }
      },
    ),
    { numRuns: runs * 20 },
  );
  assert.ok(refused > runs && accepted > runs, `${refused} refused, ${accepted} accepted`);
});

test('unknown fields of every wire type are skipped', () => {
  const known = encodeMessage(rpbErrorResp, { errmsg: 'x' as ByteString, errcode: 0 });
  const unknown = Buffer.from('78057901020304050607ff7a01617b08017c7d01020304', 'hex');
  assert.deepEqual(decodeMessage(rpbErrorResp, Buffer.concat([unknown, known, unknown])), {
    errmsg: 'x',
    errcode: 0,
  });
});

test('packed numbers are read like single ones', () => {
  const packed = Buffer.from('0803120301ac021005', 'hex');
  assert.deepEqual(decodeMessage(rpbAaeFoldMergeBranchNValReq, packed), { n_val: 3, id_filter: [1, 300, 5] });
});

test('a message that lacks a required field is refused by name', () => {
  assert.throws(() => decodeMessage(rpbGetReq, Buffer.from('0a0161', 'hex')), /RpbGetReq without key/);
  const get = new GetRequestReader();
  assert.throws(() => get.read(Buffer.from('0a0161', 'hex'), 0, 3), /RpbGetReq without key/);
  const put = new PutRequestReader();
  assert.throws(() => put.read(Buffer.from('0a0161', 'hex'), 0, 3), /RpbPutReq without content/);
});

test('a message of a request has no more fields than allowed, however they come', () => {
  const packed = (count: number) => {
    const writer = new ProtoWriter();
    writer.varint((2 << 3) | 2);
    // The list's own tag counts too.
    writer.bytes(Buffer.alloc(count - 1, 1));
    return writer.take();
  };
  const forms: Readonly<Record<string, (count: number) => Buffer>> = {
    'items of a list': (count) => Buffer.alloc(2 * count, '1001', 'hex'),
    'one field again and again': (count) => Buffer.alloc(2 * count, '0803', 'hex'),
    'unknown fields': (count) => Buffer.alloc(2 * count, '7800', 'hex'),
    packed,
  };
  for (const [name, fields] of Object.entries(forms)) {
    const body = (count: number) => Buffer.concat([Buffer.from('0803', 'hex'), fields(count - 1)]);
    const read = (count: number) => {
      const bytes = body(count);
      return decodeRequest(rpbAaeFoldMergeBranchNValReq, bytes, 0, bytes.length);
    };
    assert.equal(read(requestFieldsMax).n_val, 3, name);
    assert.throws(() => read(requestFieldsMax + 1), /more than 100000 fields in a message/, name);
    // What nodes answer may be longer.
    assert.equal(decodeMessage(rpbAaeFoldMergeBranchNValReq, body(requestFieldsMax + 1)).n_val, 3, name);
  }
});

test('maps in maps beyond the bound are refused, not followed', () => {
  const deep = (levels: number): Buffer => {
    let mapOp = Buffer.alloc(0);
    for (let level = 0; level < levels; level += 1) {
      const update = Buffer.concat([Buffer.from('0a050a0161100532', 'hex'), prefixed(mapOp)]);
      mapOp = Buffer.concat([Buffer.from([0x12]), prefixed(update)]);
    }
    const op = Buffer.concat([Buffer.from([0x1a]), prefixed(mapOp)]);
    return Buffer.concat([Buffer.from('0a01611a01612a', 'hex'), prefixed(op)]);
  };
  decodeMessage(dtUpdateReq, deep(messageDepthMax / 2 - 1));
  assert.throws(() => decodeMessage(dtUpdateReq, deep(messageDepthMax)), /nested too deep/);
  assert.throws(() => decodeMessage(dtUpdateReq, deep(10_000)), /nested too deep/);
});

function prefixed(bytes: Buffer): Buffer {
  const writer = new ProtoWriter();
  writer.bytes(bytes);
  return writer.take();
}

test('a read by hand agrees with the table: RpbGetReq', () => {
  const reader = new GetRequestReader();
  fc.assert(
    fc.property(messageArbitrary(rpbGetReq), fc.nat({ max: 9 }), (message, offset) => {
      const bytes = Buffer.concat([Buffer.alloc(offset), encodeMessage(rpbGetReq, message as never)]);
      reader.read(bytes, offset, bytes.length);
      const seen = {
        bucket: reader.bucket,
        key: reader.key,
        r: reader.r,
        pr: reader.pr,
        basic_quorum: reader.basicQuorum,
        notfound_ok: reader.notfoundOk,
        if_modified: sliceOf(bytes, reader.ifModifiedStart, reader.ifModifiedEnd),
        head: reader.head,
        deletedvclock: reader.deletedVclock,
        timeout: reader.timeout,
        sloppy_quorum: reader.sloppyQuorum,
        n_val: reader.nVal,
        type: reader.type,
        node_confirms: reader.nodeConfirms,
      };
      assert.deepEqual(withoutAbsent(seen), message);
    }),
    { numRuns: runs * 3 },
  );
});

test('a read by hand agrees with the table: RpbPutReq', () => {
  const reader = new PutRequestReader();
  fc.assert(
    fc.property(messageArbitrary(rpbPutReq), fc.nat({ max: 9 }), (message, offset) => {
      const bytes = Buffer.concat([Buffer.alloc(offset), encodeMessage(rpbPutReq, message as never)]);
      reader.read(bytes, offset, bytes.length);
      const seen = {
        bucket: reader.bucket,
        key: reader.key,
        vclock: sliceOf(bytes, reader.vclockStart, reader.vclockEnd),
        content: sliceOf(bytes, reader.contentStart, reader.contentEnd),
        w: reader.w,
        dw: reader.dw,
        return_body: reader.returnBody,
        pw: reader.pw,
        if_not_modified: reader.ifNotModified,
        if_none_match: reader.ifNoneMatch,
        return_head: reader.returnHead,
        timeout: reader.timeout,
        asis: reader.asis,
        sloppy_quorum: reader.sloppyQuorum,
        n_val: reader.nVal,
        type: reader.type,
        node_confirms: reader.nodeConfirms,
        sync_on_write: reader.syncOnWrite,
      };
      assert.deepEqual(withoutAbsent(seen), message);
    }),
    { numRuns: runs * 3 },
  );
});

test('a read by hand refuses what the table refuses', () => {
  const get = new GetRequestReader();
  const put = new PutRequestReader();
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.tuple(anyMessage, fc.nat()).map(([{ type, message }, cut]) => {
      const encoded = encodeMessage(type, message as never);
      return encoded.subarray(0, cut % (encoded.length + 1));
    }),
  );
  fc.assert(
    fc.property(bytes, (array) => {
      const buffer = Buffer.from(array);
      for (const [type, reader] of [
        [rpbGetReq, get],
        [rpbPutReq, put],
      ] as const) {
        const byTable = outcomeOf(() => decodeMessage<unknown>(type, buffer));
        const byHand = outcomeOf(() => reader.read(buffer, 0, buffer.length));
        assert.equal(byHand, byTable);
      }
    }),
    { numRuns: runs * 10 },
  );
});

test('replies by hand are the frames of the table', () => {
  const body = Buffer.from('0a020a00120161', 'hex');
  const key = 'k'.repeat(200) as ByteString;
  const writer = new ProtoWriter(1);
  writeGetReply(writer, body);
  writePutReply(writer, undefined, undefined);
  writePutReply(writer, body, key);
  const content = [Buffer.from('0a00', 'hex')];
  const vclock = Buffer.from('a');
  assert.equal(
    writer.take().toString('hex'),
    Buffer.concat([
      Buffer.from('000000080a', 'hex'),
      body,
      Buffer.from('000000010c', 'hex'),
      encodeFrame(rpbPutResp, { content, vclock, key }),
    ]).toString('hex'),
  );
});

function sliceOf(bytes: Buffer, start: number, end: number): Buffer | undefined {
  return start < 0 ? undefined : bytes.subarray(start, end);
}

function withoutAbsent(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function outcomeOf(decode: () => unknown): string {
  try {
    decode();
    return 'accepted';
  } catch (error) {
    assert.ok(error instanceof DecodeError, String(error));
    return 'refused';
  }
}
