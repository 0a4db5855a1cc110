import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { KeyValueStore, PutRequest, StreamedGetResult, ValueStreams } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeFrame, haleStreamGetReq, rpbPutReq } from '../../wire/index.ts';
import { PbService, silentPbObserver } from './index.ts';

const name = { bucket: byteLiteral('b'), key: byteLiteral('k') };
const streamGet = encodeFrame(haleStreamGetReq, name);
const put = encodeFrame(rpbPutReq, { ...name, content: Buffer.from('0a0178', 'hex') });
const chunksOfValue = 100;

/** A connection that has sent a streamed get and, behind it, a put; the test answers the get. */
function opened() {
  const puts: PutRequest[] = [];
  let chunksRead = 0;
  let written = 0;
  let answer: (result: StreamedGetResult) => void = () => {};
  let finished: Promise<void> | undefined;
  async function* chunks() {
    for (; chunksRead < chunksOfValue; chunksRead += 1) yield Buffer.alloc(10);
  }
  const get = () =>
    new Promise<StreamedGetResult>((resolve) => {
      answer = resolve;
    });
  const service = new PbService({
    store: { put: (request: PutRequest) => puts.push(request) } as unknown as KeyValueStore,
    streams: {
      values: { get } as unknown as ValueStreams,
      timers: { after: () => ({ cancel() {} }) },
      pieceMsMax: 1,
      streamMsMax: 10,
    },
    serverInfo: { node: 'a@b', version: '3.2.0' },
    limits: { frameBytesMax: 100_000 },
    observer: silentPbObserver,
    tasks: {
      spawn: (_name, run) => {
        finished = run();
      },
      endOfTurn: (run) => void setImmediate(run),
    },
  });
  const connection: Connection = {
    remote: { host: '127.0.0.1', port: 1 },
    queuedBytes: 0,
    write: (bytes) => {
      written += bytes.length;
      return true;
    },
    pause() {},
    resume() {},
    end() {},
    destroy() {},
  };
  const handler = service.accept(connection);
  handler.data(Buffer.concat([streamGet, put]));
  const object = { headReplyBody: () => Buffer.alloc(0) };
  return {
    close: () => handler.closed(),
    async answers() {
      answer({ kind: 'found', object, bytes: 1000, chunks: chunks() } as unknown as StreamedGetResult);
      await finished;
      await new Promise((resolve) => setImmediate(resolve));
      return { puts: puts.length, chunksRead, isAnswered: written > 0 };
    },
  };
}

test('a streamed get is answered, then what came behind it', async () => {
  assert.deepEqual(await opened().answers(), { puts: 1, chunksRead: chunksOfValue, isAnswered: true });
});

test('a connection that closes before its streamed get begins stays closed: nothing is read, nothing executed', async () => {
  const connection = opened();
  connection.close();
  assert.deepEqual(await connection.answers(), { puts: 0, chunksRead: 0, isAnswered: false });
});
