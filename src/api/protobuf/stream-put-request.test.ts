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

function piece(text: string, last?: true): Buffer {
  return encodeFrame(haleStreamPieceReq, { piece: Buffer.from(text), last });
}

/** A store that takes any value, and timers that run when the test says so. */
function opened() {
  const stored: string[] = [];
  const waiting = new Set<() => void>();
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
        after: (_ms, run) => {
          waiting.add(run);
          return { cancel: () => void waiting.delete(run) };
        },
      },
      pieceMsMax: 1,
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
  const timeOut = async () => {
    for (const run of waiting) run();
    await turns();
  };
  return { send, replies, timeOut, gets, stored, isEnded: () => isEnded };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('each piece is answered when the next one is wanted, the last when the value is stored', async () => {
  const { send, replies, stored } = opened();
  await send(begin);
  assert.equal(replies(), wanted);
  await send(piece('one '), piece('two ', undefined));
  assert.equal(replies(), wanted + wanted);
  await send(piece('three', true));
  assert.equal(replies(), done);
  assert.deepEqual(stored, ['one two three']);
});

test('who sends no piece is cut off: what is said then answers none of its requests', async () => {
  const { send, replies, timeOut, gets, stored, isEnded } = opened();
  await send(begin, piece('one'), encodeFrame(rpbGetReq, name));
  assert.equal(replies(), wanted + wanted);
  assert.equal(gets.length, 1);
  await timeOut();
  assert.equal(replies().slice(8, 10), errorCode);
  assert.equal(isEnded(), true);
  gets[0]!({ kind: 'notfound' });
  await send(piece('two', true), encodeFrame(rpbGetReq, name));
  assert.equal(replies(), '', 'nothing is answered any more');
  assert.deepEqual(stored, []);
});
