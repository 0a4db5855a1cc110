/** Many connections that each hold what one may hold. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { GetResult, KeyValueStore } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeFrame, rpbGetReq, rpbPutReq } from '../../wire/index.ts';
import { PbService, silentPbObserver } from './index.ts';

const heldBytesMax = 100_000;
const get = encodeFrame(rpbGetReq, { bucket: byteLiteral('b'), key: byteLiteral('k') });
const overload = Buffer.from('overload').toString('latin1');

/** A store of one big object, and connections to it whose clients take nothing unless told. */
function crowd() {
  const endOfTurn: (() => void)[] = [];
  const asked = { gets: 0, refuses: false, bytes: 60_000 };
  const store = {
    get: (_request: unknown, done: (result: GetResult) => void) => {
      asked.gets += 1;
      const object = { replyBody: () => Buffer.alloc(asked.bytes, 'x') };
      done({ kind: 'found', object } as unknown as GetResult);
    },
    put: () => assert.fail('read a put'),
    refuses: () => asked.refuses,
  } as unknown as KeyValueStore;
  const service = new PbService({
    store,
    serverInfo: { node: 'a@b', version: '3.2.0' },
    limits: { frameBytesMax: 1_000_000, heldBytesMax },
    observer: silentPbObserver,
    tasks: { spawn: () => assert.fail('no task'), endOfTurn: (run) => endOfTurn.push(run) },
  });
  const connect = (takes: boolean) => {
    const state = { written: '', queued: 0, isOpen: true, stalledMs: 0, isCut: false, stalledMsMax: 0 };
    const connection: Connection = {
      remote: { host: '127.0.0.1', port: 1 },
      get queuedBytes() {
        return state.queued;
      },
      write: (bytes) => {
        state.written += Buffer.from(bytes).toString('latin1');
        if (!takes) state.queued += bytes.length;
        return takes;
      },
      pause: () => undefined,
      resume: () => undefined,
      end: () => {
        state.isOpen = false;
      },
      get stalledMs() {
        return state.stalledMs;
      },
      cutOffAfter: (stalledMs) => {
        state.stalledMsMax = stalledMs;
      },
      destroy: () => {
        state.isCut = true;
      },
    };
    return { state, handler: service.accept(connection) };
  };
  const endTurn = () => {
    for (let run = endOfTurn.shift(); run !== undefined; run = endOfTurn.shift()) run();
  };
  return { connect, asked, endTurn };
}

/** The beginning of a frame of 500,000 bytes. */
function beginning(bytes: number): Buffer {
  const chunk = Buffer.alloc(bytes);
  chunk.writeUInt32BE(500_000);
  return chunk;
}

test('unfinished requests of a crowd are bounded: who makes it too much is told overload and closed', () => {
  const { connect } = crowd();
  const [first, second, small, third] = [connect(true), connect(true), connect(true), connect(true)];
  first.handler.data(beginning(70_000));
  assert.equal(first.state.isOpen, true);
  second.handler.data(beginning(70_000));
  assert.equal(second.state.isOpen, false);
  assert.ok(second.state.written.includes(overload));
  first.handler.data(Buffer.alloc(20_000));
  assert.equal(first.state.isOpen, true, 'what was closed is held no more');
  small.handler.data(beginning(20_000));
  assert.equal(small.state.isOpen, true, 'who holds little is no cause');
  first.handler.closed();
  third.handler.data(beginning(70_000));
  assert.equal(third.state.isOpen, true, 'nor is what has gone');
});

test('replies that nobody takes are bounded: reads are refused until some are taken', () => {
  const { connect, asked, endTurn } = crowd();
  const [first, second, third] = [connect(false), connect(false), connect(true)];
  for (const { handler } of [first, second]) {
    handler.data(get);
    endTurn();
  }
  assert.equal(asked.gets, 2);
  third.handler.data(get);
  endTurn();
  assert.equal(asked.gets, 2);
  assert.ok(third.state.written.includes(overload));
  assert.equal(third.state.isOpen, true);
  first.handler.drain();
  third.handler.data(get);
  assert.equal(asked.gets, 3);
  second.handler.closed();
  third.handler.data(get);
  assert.equal(asked.gets, 4);
});

test('who holds most and takes nothing is cut off when there is too much; who is slow is not', () => {
  const { connect, asked, endTurn } = crowd();
  const [slow, deaf, deafer, reader] = [connect(false), connect(false), connect(false), connect(true)];
  for (const { handler, state } of [slow, deaf]) {
    handler.data(get);
    endTurn();
    state.stalledMs = 29_000;
  }
  reader.handler.data(get);
  endTurn();
  assert.ok(reader.state.written.includes(overload), 'nobody is stalled for long enough');
  deaf.state.stalledMs = 31_000;
  // Not each that is refused looks for room.
  for (let tries = 0; tries < 64 && asked.gets < 3; tries += 1) reader.handler.data(get);
  assert.equal(asked.gets, 3);
  assert.deepEqual([slow.state.isCut, deaf.state.isCut], [false, true]);
  deaf.handler.closed();
  asked.bytes = 70_000;
  deafer.handler.data(get);
  endTurn();
  slow.state.stalledMs = 37_000;
  deafer.state.stalledMs = 36_000;
  for (let tries = 0; tries < 64 && asked.gets < 5; tries += 1) reader.handler.data(get);
  assert.deepEqual([slow.state.isCut, deafer.state.isCut], [false, true], 'it holds more');
  deafer.handler.drain();
  deafer.handler.data(get);
  assert.equal(asked.gets, 5, 'what was cut off executes nothing');
});

test('connections are told when to cut off who takes nothing', () => {
  assert.equal(crowd().connect(true).state.stalledMsMax, 60_000);
});

test('what is refused is not read', () => {
  const { connect, asked, endTurn } = crowd();
  const { state, handler } = connect(true);
  asked.refuses = true;
  const content = Buffer.from('0a0178', 'hex');
  const put = encodeFrame(rpbPutReq, { bucket: byteLiteral('b'), key: byteLiteral('k'), content });
  handler.data(Buffer.concat([put, get, put, put]));
  endTurn();
  assert.equal(state.written.split(overload).length - 1, 4);
  assert.equal(asked.gets, 0);
  asked.refuses = false;
  handler.data(get);
  assert.equal(asked.gets, 1);
});
