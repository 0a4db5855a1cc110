import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { GetResult, KeyValueStore, PutRequest, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeFrame, rpbGetReq, rpbPingReq, rpbPutReq } from '../../wire/index.ts';
import { PbService, silentPbObserver } from './index.ts';

const putReply = '000000010c';
const getReplyEmpty = '000000010a';
const pingReply = '0000000102';

interface StartedPut {
  readonly request: PutRequest;
  readonly done: (result: PutResult) => void;
}

/** A connection whose store holds every put until the test answers it. */
class HeldPuts {
  readonly puts: StartedPut[] = [];
  gets = 0;
  reads = true;
  ended = false;
  #written = '';
  #endOfTurn: (() => void)[] = [];
  readonly #handler;

  constructor() {
    const store = {
      put: (request: PutRequest, done: (result: PutResult) => void) => this.puts.push({ request, done }),
      get: (_request: unknown, done: (result: GetResult) => void) => {
        this.gets += 1;
        done({ kind: 'notfound' });
      },
    } as unknown as KeyValueStore;
    const service = new PbService({
      store,
      serverInfo: { node: 'a@b', version: '3.2.0' },
      limits: { frameBytesMax: 100_000 },
      observer: silentPbObserver,
      tasks: { spawn: () => assert.fail('no task'), endOfTurn: (run) => this.#endOfTurn.push(run) },
    });
    const connection: Connection = {
      remote: { host: '127.0.0.1', port: 1 },
      queuedBytes: 0,
      write: (bytes) => {
        this.#written += Buffer.from(bytes).toString('hex');
        return true;
      },
      pause: () => {
        this.reads = false;
      },
      resume: () => {
        this.reads = true;
      },
      end: () => {
        this.ended = true;
      },
      destroy: () => assert.fail('not cut'),
    };
    this.#handler = service.accept(connection);
    this.drain = () => service.drain();
  }

  readonly drain: () => void;

  send(...frames: readonly Buffer[]): void {
    const chunk = Buffer.concat(frames);
    this.#handler.data(chunk);
    chunk.fill(0xee);
  }

  /** The peer sends no more. */
  peerEnds(): void {
    this.#handler.ended?.();
  }

  /** What was written since the last call, in hexadecimal. */
  replies(): string {
    for (let run = this.#endOfTurn.shift(); run !== undefined; run = this.#endOfTurn.shift()) run();
    const written = this.#written;
    this.#written = '';
    return written;
  }
}

const content = Buffer.from('0a0178', 'hex');
const get = encodeFrame(rpbGetReq, { bucket: byteLiteral('b'), key: byteLiteral('k') });
const ping = encodeFrame(rpbPingReq, {});

function put(key: string, more: { readonly if_none_match?: boolean; readonly asis?: boolean } = {}): Buffer {
  return encodeFrame(rpbPutReq, { bucket: byteLiteral('b'), key: byteLiteral(key), content, ...more });
}

function keysOf(held: HeldPuts): readonly (string | undefined)[] {
  return held.puts.map(({ request }) => request.key);
}

const stored: PutResult = { kind: 'stored' };

test('puts overlap; their replies keep the order of the requests', () => {
  const held = new HeldPuts();
  held.send(put('1'), put('2'), put('3'));
  assert.deepEqual(keysOf(held), ['1', '2', '3']);
  held.puts[1]!.done(stored);
  held.puts[2]!.done({ kind: 'failed', error: { code: 'timeout' } });
  assert.equal(held.replies(), '');
  held.puts[0]!.done(stored);
  const replies = held.replies();
  assert.ok(replies.startsWith(putReply + putReply));
  assert.ok(replies.slice(2 * putReply.length).includes(Buffer.from('timeout').toString('hex')));
});

test('what is not a put waits for the puts before it, and holds back the puts after it', () => {
  const held = new HeldPuts();
  held.send(put('1'), put('2'), get, ping, put('3'));
  assert.deepEqual([keysOf(held), held.gets], [['1', '2'], 0]);
  held.puts[0]!.done(stored);
  assert.equal(held.replies(), putReply);
  assert.equal(held.gets, 0);
  held.puts[1]!.done(stored);
  assert.deepEqual([keysOf(held), held.gets], [['1', '2', '3'], 1]);
  assert.equal(held.replies(), putReply + getReplyEmpty + pingReply);
});

test('a put with a condition, or asis, is alone', () => {
  for (const alone of [{ if_none_match: true }, { asis: true }]) {
    const held = new HeldPuts();
    held.send(put('1'), put('2', alone), put('3'));
    assert.deepEqual(keysOf(held), ['1']);
    held.puts[0]!.done(stored);
    assert.deepEqual(keysOf(held), ['1', '2']);
    held.puts[1]!.done(stored);
    assert.deepEqual(keysOf(held), ['1', '2', '3']);
  }
});

test('a put that is refused, and a frame that is none, are answered in their turn', () => {
  const held = new HeldPuts();
  held.send(put('1'), put(''), Buffer.from('00000000', 'hex'));
  assert.equal(held.replies(), '');
  held.puts[0]!.done(stored);
  const replies = held.replies();
  const at = (text: string) => replies.indexOf(Buffer.from(text).toString('hex'));
  assert.ok(replies.startsWith(putReply));
  assert.ok(at('Key cannot be zero-length') > 0);
  assert.ok(at('Invalid message packet') > at('Key cannot be zero-length'));
  assert.ok(held.ended);
});

test('puts in flight are bounded, and then nothing is read', () => {
  const held = new HeldPuts();
  const frames = Array.from({ length: 3000 }, (_, i) => put(`${i}`.padStart(30, '0')));
  held.send(...frames);
  assert.ok(held.puts.length < 1000 && !held.reads);
  for (let next = 0; next < frames.length; next += 1) held.puts[next]!.done(stored);
  assert.equal(held.puts.length, frames.length);
  assert.ok(held.reads);
  assert.equal(held.replies(), putReply.repeat(frames.length));
});

test('a peer that ends its side after its requests gets all answers, then ours ends', () => {
  const held = new HeldPuts();
  held.send(put('1'), get, put('2'), ping.subarray(0, 3));
  held.peerEnds();
  assert.ok(!held.ended);
  held.puts[0]!.done(stored);
  assert.ok(!held.ended);
  held.puts[1]!.done(stored);
  assert.equal(held.replies(), putReply + getReplyEmpty + putReply);
  assert.ok(held.ended);
});

test('a peer that ends an idle connection ends it', () => {
  const held = new HeldPuts();
  held.send(ping);
  held.peerEnds();
  assert.equal(held.replies(), pingReply);
  assert.ok(held.ended);
});

test('a drain answers the puts in flight, begins no other, and ends', () => {
  const held = new HeldPuts();
  held.send(put('1'), put('2'), get, put('3'));
  held.drain();
  assert.ok(!held.ended);
  held.puts[0]!.done(stored);
  held.puts[1]!.done(stored);
  assert.equal(held.replies(), putReply + putReply);
  assert.deepEqual([keysOf(held), held.gets, held.ended], [['1', '2'], 0, true]);
});
