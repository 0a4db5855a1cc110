/** Faults that a healthy node does not show: a scripted peer loses, delays and garbles replies. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type TestContext, test } from 'node:test';
import type { Connection, Listener } from '../../environment/index.ts';
import { nodeEnvironment, silentLog } from '../../runtime/index.ts';
import { bytesOfText } from '../../stdx/index.ts';
import {
  type Content,
  dataType,
  dtFetchResp,
  dtUpdateReq,
  encodeFrame,
  FrameReader,
  rpbDelReq,
  rpbErrorResp,
  rpbGetReq,
  rpbGetResp,
  rpbIndexResp,
  rpbListKeysReq,
  rpbListKeysResp,
  rpbMapRedResp,
  rpbPutReq,
  rpbPutResp,
  rpbSetBucketReq,
} from '../../wire/index.ts';
import { HaleError, type HaleErrorCode } from '../index.ts';
import { RemoteTransport } from './remote-transport.ts';

type Script = (code: number, connection: Connection) => void;

const name = { bucketType: bytesOfText('default'), bucket: bytesOfText('b'), key: bytesOfText('k') };
const content: Content = { value: Buffer.from('1'), links: [], userMeta: [], indexes: [], deleted: false };
const notFound = encodeFrame(rpbGetResp, {});
const stored = encodeFrame(rpbPutResp, {});
const error = (text: string): Buffer => encodeFrame(rpbErrorResp, { errmsg: bytesOfText(text), errcode: 0 });

class Peers {
  readonly requests: { readonly peer: number; readonly code: number }[] = [];
  closed = 0;
  readonly #environment = nodeEnvironment({
    log: silentLog,
    crash: (_activity, e) => assert.fail(String(e)),
  });
  readonly #listeners: Listener[] = [];

  constructor(context: TestContext) {
    context.after(() => this.#environment.close());
  }

  async transport(scripts: readonly Script[], limits: { waitingMax?: number; perHost?: number } = {}) {
    for (const [peer, script] of scripts.entries()) {
      const listener = await this.#environment.network.listen(
        { host: '127.0.0.1', port: 0 },
        (connection) => {
          const frames = new FrameReader(1_000_000);
          return {
            data: (chunk) => {
              frames.feed(chunk);
              while (frames.next()) {
                this.requests.push({ peer, code: frames.code });
                script(frames.code, connection);
              }
            },
            drain: () => undefined,
            closed: () => {
              this.closed += 1;
            },
          };
        },
      );
      this.#listeners.push(listener);
    }
    return new RemoteTransport(
      this.#listeners.map((listener) => listener.address),
      this.#environment,
      {
        timeoutMs: 2000,
        connectTimeoutMs: 500,
        connectionsPerHostMax: limits.perHost ?? 2,
        waitingMax: limits.waitingMax ?? 10,
      },
    );
  }

  count(code: number): number {
    return this.requests.filter((request) => request.code === code).length;
  }
}

function fails(code: HaleErrorCode, unknownOutcome: boolean): (e: unknown) => boolean {
  return (e) => {
    assert.ok(e instanceof HaleError);
    assert.deepEqual([e.code, e.unknownOutcome], [code, unknownOutcome]);
    return true;
  };
}

const drops: Script = (_code, connection) => connection.destroy();
const silent: Script = () => undefined;
const answers =
  (reply: Buffer): Script =>
  (_code, connection) => {
    connection.write(reply);
  };

test('a write whose reply is lost is unknown, and sent once', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([drops, drops]);
  await assert.rejects(transport.put(name, name.key, content, {}), fails('connection_lost', true));
  assert.equal(peers.count(rpbPutReq.code), 1);
  await assert.rejects(transport.delete(name, {}), fails('connection_lost', true));
  assert.equal(peers.count(rpbDelReq.code), 1);
  await transport.close();
});

test('a read whose reply is lost or late is asked of the other node', async (context) => {
  for (const broken of [drops, silent]) {
    const peers = new Peers(context);
    const transport = await peers.transport([broken, answers(notFound)]);
    for (let i = 0; i < 2; i += 1) {
      assert.equal(await transport.get(name, { timeoutMs: 300 }), undefined);
    }
    await transport.close();
  }
});

test('a change of properties that may still be agreed on is unknown, and sent once', async (context) => {
  const peers = new Peers(context);
  const refused = answers(error('no_majority: one of three voters is reached'));
  const transport = await peers.transport([refused, refused]);
  const set = transport.setProperties(name, { allow_mult: true }, {});
  await assert.rejects(set, fails('unavailable', true));
  assert.equal(peers.count(rpbSetBucketReq.code), 1);
  await transport.close();
});

test('a write refused for overload moves to the other node', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([answers(error('overload')), answers(stored)]);
  for (let i = 0; i < 4; i += 1) await transport.put(name, name.key, content, {});
  await transport.close();
});

test('late replies end by the deadline and the signal, and say whether the outcome is known', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([silent]);
  await assert.rejects(transport.get(name, { timeoutMs: 30 }), fails('timeout', false));
  await assert.rejects(transport.put(name, name.key, content, { timeoutMs: 30 }), fails('timeout', true));
  const signal = AbortSignal.timeout(30);
  await assert.rejects(transport.put(name, name.key, content, { signal }), fails('aborted', true));
  await transport.close();
});

test('a peer that breaks the protocol costs its connection, not the process', async (context) => {
  const garbage = [notFound.subarray(0, 4), Buffer.from([0, 0, 0, 2, 10, 0xff]), Buffer.from('HTTP/1.1 400')];
  for (const bytes of [Buffer.concat([Buffer.alloc(4), garbage[0]!]), ...garbage.slice(1)]) {
    const peers = new Peers(context);
    const transport = await peers.transport([answers(bytes)]);
    await assert.rejects(transport.get(name, {}), fails('protocol', false));
    await assert.rejects(transport.put(name, name.key, content, {}), fails('protocol', true));
    await transport.close();
  }
});

test('beyond its connections calls wait, beyond the queue they are refused', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([silent], { perHost: 1, waitingMax: 2 });
  const calls = Array.from({ length: 2 }, () => transport.get(name, { timeoutMs: 100 }));
  await assert.rejects(transport.get(name, {}), fails('overload', false));
  for (const result of await Promise.allSettled(calls)) assert.equal(result.status, 'rejected');
  await transport.close();
});

test('leaving a listing closes its connection; ending it keeps it', async (context) => {
  const peers = new Peers(context);
  const batch = encodeFrame(rpbListKeysResp, { keys: [bytesOfText('k')] });
  const transport = await peers.transport([answers(batch)], { perHost: 1 });
  const left = transport.listKeys(name, {});
  assert.deepEqual(await left.next(), ['k']);
  await left.close();
  // The only connection may be had again.
  const second = transport.listKeys(name, {});
  assert.deepEqual(await second.next(), ['k']);
  await second.close();
  while (peers.closed < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(peers.count(rpbListKeysReq.code), 2);
  await transport.close();
});

test('closing ends calls in progress, a write with unknown outcome', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([silent]);
  const ended = Promise.all([
    assert.rejects(transport.get(name, {}), fails('closed', false)),
    assert.rejects(transport.put(name, name.key, content, {}), fails('closed', true)),
  ]);
  while (peers.requests.length < 2) await new Promise((resolve) => setImmediate(resolve));
  await transport.close();
  await ended;
  await assert.rejects(transport.put(name, name.key, content, {}), fails('closed', false));
});

test('a node that refuses for overload is not asked again at once when it is the only one', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([answers(error('overload'))]);
  await assert.rejects(transport.get(name, {}), fails('overload', false));
  assert.equal(peers.count(rpbGetReq.code), 1);
  await transport.close();
});

test('an update of a data type whose reply is lost is unknown, and sent once; a fetch is asked of the other', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([drops, drops]);
  const operation = { kind: 'counter', increment: 1n } as const;
  const update = transport.updateDatatype(name, name.key, operation, {});
  await assert.rejects(update, fails('connection_lost', true));
  assert.equal(peers.count(dtUpdateReq.code), 1);
  await transport.close();
  const nothing = answers(encodeFrame(dtFetchResp, { type: dataType.set }));
  const moving = await peers.transport([drops, nothing]);
  for (let i = 0; i < 2; i += 1) assert.equal(await moving.fetchDatatype(name, {}), undefined);
  await moving.close();
});

test('a stream that breaks off is an error, not an end', async (context) => {
  const peers = new Peers(context);
  const piece = encodeFrame(rpbIndexResp, { keys: [name.key] });
  const breaks: Script = (_code, connection) => {
    connection.write(piece);
    connection.end();
  };
  const transport = await peers.transport([breaks]);
  const query = { ...name, field: bytesOfText('f_bin'), range: { kind: 'equal', term: name.key } } as const;
  const cursor = transport.queryIndex(query, {});
  assert.deepEqual((await cursor.next())?.entries, [{ key: 'k' }]);
  await assert.rejects(cursor.next(), fails('connection_lost', false));
  await cursor.close();
  await transport.close();
});

test('results that are no JSON list, and data types that nobody knows, break the protocol', async (context) => {
  for (const response of ['{"a":1}', '[1', '\u0000']) {
    const peers = new Peers(context);
    const frame = encodeFrame(rpbMapRedResp, { phase: 0, response: Buffer.from(response) });
    const transport = await peers.transport([answers(frame)]);
    const cursor = transport.mapReduce({ inputs: 'b', query: [] }, {});
    await assert.rejects(cursor.next(), fails('protocol', false));
    await cursor.close();
    await transport.close();
  }
  const peers = new Peers(context);
  const strange = encodeFrame(dtFetchResp, { type: 9, value: { counter_value: 1n } });
  const transport = await peers.transport([answers(strange)]);
  await assert.rejects(transport.fetchDatatype(name, {}), fails('protocol', false));
  await transport.close();
});

test('a stream ends when its time is up', async (context) => {
  const peers = new Peers(context);
  const transport = await peers.transport([silent]);
  const job = transport.mapReduce({ inputs: 'b', query: [] }, { timeoutMs: 40 });
  await assert.rejects(job.next(), fails('timeout', false));
  await job.close();
  await transport.close();
});
