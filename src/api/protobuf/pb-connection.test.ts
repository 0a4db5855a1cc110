import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import type { Connection } from '../../environment/index.ts';
import type { GetResult, KeyValueStore, PutRequest, PutResult } from '../../kv/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import { encodeFrame, rpbErrorResp, rpbGetReq, rpbPingReq, rpbPutReq } from '../../wire/index.ts';
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
  /** Gets that wait for the test, if they are held. */
  readonly held: ((result: GetResult) => void)[] = [];
  holdsGets = false;
  isOverloaded = false;
  reads = true;
  ended = false;
  #written = '';
  #endOfTurn: (() => void)[] = [];
  readonly #handler;

  constructor() {
    const store = {
      refuses: () => this.isOverloaded,
      put: (request: PutRequest, done: (result: PutResult) => void) => this.puts.push({ request, done }),
      get: (_request: unknown, done: (result: GetResult) => void) => {
        this.gets += 1;
        if (this.holdsGets) this.held.push(done);
        else done({ kind: 'notfound' });
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

test('an overloaded node refuses puts unread, in the bytes of any error, and behind the puts in flight', () => {
  const error = encodeFrame(rpbErrorResp, { errmsg: byteLiteral('overload'), errcode: 0 }).toString('hex');
  const undecodable = Buffer.from('000000020bff', 'hex');
  const held = new HeldPuts();
  held.isOverloaded = true;
  held.send(put('1'), undecodable);
  assert.equal(held.replies(), error + error);
  held.isOverloaded = false;
  held.send(put('2'));
  held.isOverloaded = true;
  held.send(put('3'));
  assert.equal(held.replies(), '');
  held.puts[0]!.done(stored);
  assert.equal(held.replies(), putReply + error);
  assert.deepEqual(keysOf(held), ['2']);
});

test('what is refused takes no place: behind a put, or a get, that takes long the connection goes on to be read', () => {
  const error = encodeFrame(rpbErrorResp, { errmsg: byteLiteral('overload'), errcode: 0 }).toString('hex');
  const count = 3000;
  const held = new HeldPuts();
  held.send(put('first'));
  held.isOverloaded = true;
  for (let i = 0; i < count; i += 1) held.send(put(`${i}`.padStart(30, '0')));
  assert.ok(held.reads);
  held.isOverloaded = false;
  held.send(put('last'));
  assert.deepEqual(keysOf(held), ['first', 'last'], 'and takes more as soon as it may');
  held.puts[1]!.done(stored);
  assert.equal(held.replies(), '');
  held.puts[0]!.done(stored);
  assert.equal(held.replies(), putReply + error.repeat(count) + putReply);

  const reads = new HeldPuts();
  reads.holdsGets = true;
  reads.send(get);
  reads.isOverloaded = true;
  for (let i = 0; i < count; i += 1) reads.send(get);
  assert.ok(reads.reads);
  reads.isOverloaded = false;
  reads.send(get);
  assert.equal(reads.held.length, 2);
  reads.held[0]!({ kind: 'notfound' });
  reads.held[1]!({ kind: 'notfound' });
  assert.equal(reads.replies(), getReplyEmpty + error.repeat(count) + getReplyEmpty);
});

test('refusals that wait are bounded, and then nothing is read', () => {
  const held = new HeldPuts();
  held.send(put('first'));
  held.isOverloaded = true;
  for (let i = 0; i < 20_000 && held.reads; i += 1) held.send(put('k'.repeat(100)));
  assert.equal(held.reads, false);
  held.puts[0]!.done(stored);
  held.replies();
  assert.ok(held.reads);
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

function found(text: string): GetResult {
  const body = Buffer.from(text);
  return {
    kind: 'found',
    object: { replyBody: () => body, headReplyBody: () => body },
  } as unknown as GetResult;
}

function replyOf(text: string): string {
  const frame = Buffer.alloc(5 + text.length, 10);
  frame.writeUInt32BE(text.length + 1);
  frame.write(text, 5);
  return frame.toString('hex');
}

test('gets overlap; their replies keep the order of the requests', () => {
  const held = new HeldPuts();
  held.holdsGets = true;
  held.send(get, get, get);
  assert.equal(held.gets, 3);
  held.held[2]!(found('c'));
  held.held[1]!({ kind: 'failed', error: { code: 'timeout' } });
  assert.equal(held.replies(), '');
  held.held[0]!(found('a'));
  const replies = held.replies();
  assert.ok(replies.startsWith(replyOf('a')) && replies.endsWith(replyOf('c')));
  assert.ok(replies.includes(Buffer.from('timeout').toString('hex')));
});

test('what is not a get waits for the gets before it, and holds back the gets after it', () => {
  for (const [other, reply] of [
    [ping, pingReply],
    [put('1'), putReply],
  ] as const) {
    const held = new HeldPuts();
    held.holdsGets = true;
    held.send(get, get, other, get);
    assert.deepEqual([held.gets, held.puts.length], [2, 0]);
    held.held[1]!(found('b'));
    assert.deepEqual([held.gets, held.puts.length, held.replies()], [2, 0, '']);
    held.held[0]!(found('a'));
    held.puts[0]?.done(stored);
    assert.equal(held.gets, 3);
    held.held[2]!(found('c'));
    assert.equal(held.replies(), replyOf('a') + replyOf('b') + reply + replyOf('c'));
  }
});

test('gets in flight are bounded; behind a long value one at a time', () => {
  const held = new HeldPuts();
  held.holdsGets = true;
  const count = 200;
  held.send(...Array.from({ length: count }, () => get));
  assert.equal(held.gets, 16);
  const long = 'x'.repeat(20_000);
  held.held[15]!(found(long));
  for (let i = 1; i < 15; i += 1) held.held[i]!(found('y'));
  assert.equal(held.gets, 16);
  held.held[0]!(found('y'));
  assert.equal(held.gets, 17);
  held.held[16]!(found(long));
  assert.equal(held.gets, 18);
  held.held[17]!(found('y'));
  assert.equal(held.gets, 18 + 16);
  for (let i = 18; i < count; i += 1) held.held[i]!(found('y'));
  const replies = replyOf('y').repeat(15) + replyOf(long).repeat(2) + replyOf('y').repeat(count - 17);
  assert.equal(held.replies(), replies);
});

test('a drain, and the end of the peer, wait for the gets in flight', () => {
  for (const ends of ['drain', 'peerEnds'] as const) {
    const held = new HeldPuts();
    held.holdsGets = true;
    held.send(get, get);
    held[ends]();
    held.held[1]!(found('b'));
    assert.ok(!held.ended);
    held.held[0]!(found('a'));
    assert.equal(held.replies(), replyOf('a') + replyOf('b'));
    assert.ok(held.ended);
  }
});

test('a frame that is none is answered behind the gets before it', () => {
  const held = new HeldPuts();
  held.holdsGets = true;
  held.send(get, Buffer.from('00000000', 'hex'));
  assert.ok(!held.ended);
  held.held[0]!(found('a'));
  const replies = held.replies();
  assert.ok(replies.startsWith(replyOf('a')));
  assert.ok(replies.includes(Buffer.from('Invalid message packet').toString('hex')) && held.ended);
});
