import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { GetResult, KeyValueStore, LargePutResult, ValueStreams } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import {
  encodeFrame,
  haleStreamPieceReq,
  haleStreamPutReq,
  haleStreamPutResp,
  rpbGetReq,
} from '../../wire/index.ts';
import { PbService, silentPbObserver } from './index.ts';

const name = { bucket: byteLiteral('b'), key: byteLiteral('k') };
const begin = encodeFrame(haleStreamPutReq, { ...name, content: Buffer.from('0a0178', 'hex') });
const wanted = encodeFrame(haleStreamPutResp, {}).toString('hex');
const done = encodeFrame(haleStreamPutResp, { done: true }).toString('hex');
const errorCode = '00';
const pieceMsMax = 10;
const streamMsMax = 100;

function piece(text: string, last?: true): Buffer {
  return encodeFrame(haleStreamPieceReq, { piece: Buffer.from(text), last });
}

/** A store that takes any value, and timers that run when the test says so. */
function opened() {
  const stored: string[] = [];
  const waiting = new Map<() => void, number>();
  const gets: ((result: GetResult) => void)[] = [];
  let written = '';
  let isEnded = false;
  const put = async (_request: unknown, body: AsyncIterable<Buffer>): Promise<LargePutResult> => {
    let value = '';
    try {
      for await (const bytes of body) value += bytes.toString();
    } catch {
      return { kind: 'broken_off' };
    }
    stored.push(value);
    return { kind: 'stored' };
  };
  const service = new PbService({
    store: {
      get: (_request: unknown, answer: (result: GetResult) => void) => void gets.push(answer),
    } as unknown as KeyValueStore,
    streams: {
      values: { put } as unknown as ValueStreams,
      timers: {
        after: (ms, run) => {
          waiting.set(run, ms);
          return { cancel: () => void waiting.delete(run) };
        },
      },
      pieceMsMax,
      streamMsMax,
    },
    serverInfo: { node: 'a@b', version: '3.2.0' },
    limits: { frameBytesMax: 100_000 },
    observer: silentPbObserver,
    tasks: { spawn: (_name, run) => void run(), endOfTurn: (run) => void setImmediate(run) },
  });
  const connection: Connection = {
    remote: { host: '127.0.0.1', port: 1 },
    queuedBytes: 0,
    write: (bytes) => {
      written += Buffer.from(bytes).toString('hex');
      return true;
    },
    pause: () => {},
    resume: () => {},
    end: () => {
      isEnded = true;
    },
    destroy: () => assert.fail('not cut'),
  };
  const handler = service.accept(connection);
  const send = async (...frames: readonly Buffer[]) => {
    handler.data(Buffer.concat(frames));
    await turns();
  };
  const replies = () => {
    const since = written;
    written = '';
    return since;
  };
  /** Those of so many milliseconds. */
  const timeOut = async (wantedMs: number) => {
    for (const [run, ms] of waiting) if (ms === wantedMs) run();
    await turns();
  };
  return { send, replies, timeOut, gets, stored, isEnded: () => isEnded, timers: () => waiting.size };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('each piece is answered when the next one is wanted, the last when the value is stored', async () => {
  const { send, replies, stored, timers } = opened();
  await send(begin);
  assert.equal(replies(), wanted);
  await send(piece('one '), piece('two ', undefined));
  assert.equal(replies(), wanted + wanted);
  await send(piece('three', true));
  assert.equal(replies(), done);
  assert.deepEqual(stored, ['one two three']);
  assert.equal(timers(), 0);
});

test('who sends no piece is cut off: what is said then answers none of its requests', async () => {
  const { send, replies, timeOut, gets, stored, isEnded } = opened();
  await send(begin, piece('one'), encodeFrame(rpbGetReq, name));
  assert.equal(replies(), wanted + wanted);
  assert.equal(gets.length, 1);
  await timeOut(pieceMsMax);
  assert.equal(replies().slice(8, 10), errorCode);
  assert.equal(isEnded(), true);
  gets[0]!({ kind: 'notfound' });
  await send(piece('two', true), encodeFrame(rpbGetReq, name));
  assert.equal(replies(), '', 'nothing is answered any more');
  assert.deepEqual(stored, []);
});

test('who sends a little now and then is cut off, too: only so many may be sending at once', async () => {
  const { send, replies, timeOut, stored, isEnded } = opened();
  await send(begin, piece('o'), piece(''), piece('n'));
  assert.equal(replies(), wanted.repeat(4));
  await timeOut(streamMsMax);
  assert.equal(replies().slice(8, 10), errorCode);
  assert.equal(isEnded(), true);
  assert.deepEqual(stored, []);
});
