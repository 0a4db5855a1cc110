/**
 * Holds the observed exchanges with a running node, byte for byte but for what each node makes up for itself: vtags,
 * times, contexts, generated keys. The node should be empty, be called as the observed one was, have a ring of 64, keep
 * tombstones (`delete_mode=3000`), and have the active bucket types counters, sets, maps, hlls and gsets.
 */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type ByteString, bufferOf, byteLiteral } from '../../../src/stdx/index.ts';
import {
  type Content,
  decodeContent,
  decodeMessage,
  dtFetchResp,
  dtUpdateResp,
  encodeContent,
  encodeFrame,
  encodeMessage,
  type MessageOf,
  type MessageType,
  rpbGetBucketResp,
  rpbGetReq,
  rpbGetResp,
  rpbGetServerInfoResp,
  rpbIndexResp,
  rpbListBucketsResp,
  rpbListKeysResp,
  rpbPutReq,
  rpbPutResp,
} from '../../../src/wire/index.ts';
import type { FrameClient } from '../protobuf/served-node.ts';
import type { AnsweredOtherwise } from './answered-otherwise.ts';
import type { ObservedExchange } from './observed-frames.ts';

const ping = { request: '0000000101', reply: '02' };

export class FrameReplay {
  readonly #client: FrameClient;
  readonly #others: boolean;
  /** What the observed node made up → what ours made up in its place. Hexadecimal. */
  readonly #counterparts = new Map<string, string>();

  /** `others`: the node holds buckets that no exchange of these has written. */
  constructor(client: FrameClient, { others = false }: { readonly others?: boolean } = {}) {
    this.#client = client;
    this.#others = others;
  }

  /** Rejects with `AssertionError`. In the order in which they were observed. */
  async check({ name, request, replies }: ObservedExchange): Promise<void> {
    if (/^1[02]/.test(replies[0]!)) {
      await this.#checkListing({ name, request, replies });
      return;
    }
    for (const [i, observed] of replies.entries()) {
      const ours = i === 0 ? await this.#client.ask(this.#requestOf(request)) : await this.#client.receive();
      assert.equal(this.#likeObservedReply(Buffer.from(observed, 'hex'), Buffer.from(ours, 'hex')), observed);
    }
  }

  /** Also that the connection goes on. Rejects with `AssertionError`. */
  async checkOtherwise({ request, reply }: AnsweredOtherwise): Promise<void> {
    const ours = await this.#client.ask(request);
    if (/^[0-9a-f]+$/.test(reply)) assert.equal(ours, reply);
    else assert.ok(Buffer.from(ours, 'hex').toString('latin1').includes(reply), ours);
    assert.equal(await this.#client.ask(ping.request), ping.reply);
  }

  #meet(observed: Uint8Array | undefined, ours: Uint8Array | undefined): void {
    assert.equal(ours === undefined, observed === undefined);
    if (observed === undefined || ours === undefined) return;
    assert.ok(ours.length > 0);
    this.#counterparts.set(Buffer.from(observed).toString('hex'), Buffer.from(ours).toString('hex'));
  }

  #counterpart(observed: Uint8Array | undefined): Buffer | undefined {
    if (observed === undefined) return undefined;
    const ours = this.#counterparts.get(Buffer.from(observed).toString('hex'));
    assert.ok(ours !== undefined, 'a context that an earlier reply carried');
    return Buffer.from(ours, 'hex');
  }

  /** The observed request with our contexts in the place of the observed ones. */
  #requestOf(frame: string): string {
    const bytes = Buffer.from(frame, 'hex');
    switch (bytes[4]) {
      case rpbGetReq.code: {
        const message = decodeMessage(rpbGetReq, bytes, 5);
        return encodeFrame(rpbGetReq, {
          ...message,
          if_modified: this.#counterpart(message.if_modified),
        }).toString('hex');
      }
      case rpbPutReq.code: {
        const message = decodeMessage(rpbPutReq, bytes, 5);
        return encodeFrame(rpbPutReq, { ...message, vclock: this.#counterpart(message.vclock) }).toString(
          'hex',
        );
      }
      default:
        return frame;
    }
  }

  /** Our content with the observed vtag and time; each vtag of the observed node has one counterpart. */
  #likeObserved(observed: Uint8Array, ours: Uint8Array): Buffer {
    const expected: Content = decodeContent(observed);
    const got: Content = decodeContent(ours);
    assert.match(got.vtag ?? '', /^[0-9A-Za-z]{20,22}$/);
    this.#meet(bufferOf(expected.vtag!), bufferOf(got.vtag!));
    assert.ok(Math.abs(got.lastModifiedMicros! / 1e6 - Date.now() / 1000) < 60);
    return encodeContent({ ...got, vtag: expected.vtag, lastModifiedMicros: expected.lastModifiedMicros });
  }

  #likeObservedValues(observed: Buffer, ours: Buffer): string {
    const isGet = observed[0] === rpbGetResp.code;
    const decode = (bytes: Buffer): MessageOf<typeof rpbPutResp> =>
      isGet
        ? { ...decodeMessage(rpbGetResp, bytes, 1), key: undefined }
        : decodeMessage(rpbPutResp, bytes, 1);
    const expected = decode(observed);
    const got = decode(ours);
    assert.equal(got.content.length, expected.content.length);
    this.#meet(expected.vclock, got.vclock);
    this.#meet(expected.key && bufferOf(expected.key), got.key && bufferOf(got.key));
    const content = got.content.map((sibling, i) => this.#likeObserved(expected.content[i]!, sibling));
    const vclock = expected.vclock;
    const body = isGet
      ? encodeMessage(rpbGetResp, { ...decodeMessage(rpbGetResp, ours, 1), content, vclock })
      : encodeMessage(rpbPutResp, { ...got, content, vclock, key: expected.key });
    return Buffer.concat([observed.subarray(0, 1), body]).toString('hex');
  }

  #likeObservedReply(observed: Buffer, ours: Buffer): string {
    assert.equal(ours[0], observed[0], `reply ${ours.toString('latin1')}`);
    switch (observed[0]) {
      case rpbGetResp.code:
      case rpbPutResp.code:
        return this.#likeObservedValues(observed, ours);
      case rpbGetServerInfoResp.code: {
        const { node: name, server_version: version } = decodeMessage(rpbGetServerInfoResp, ours, 1);
        assert.equal(name, decodeMessage(rpbGetServerInfoResp, observed, 1).node);
        // Clients split it into three integers; the observed build, which says "25", breaks them.
        assert.match(version ?? '', /^\d+\.\d+\.\d+$/);
        return observed.toString('hex');
      }
      case rpbIndexResp.code: {
        const expected = decodeMessage(rpbIndexResp, observed, 1);
        if (expected.continuation === undefined) return ours.toString('hex');
        // Which of the keys is the first depends on the one that the node made up; so does where to go on.
        const { keys, continuation } = decodeMessage(rpbIndexResp, ours, 1);
        assert.equal(keys.length, expected.keys.length);
        assert.ok(continuation !== undefined && continuation.length > 0);
        return observed.toString('hex');
      }
      case rpbGetBucketResp.code: {
        const { props } = decodeMessage(rpbGetBucketResp, ours, 1);
        assert.equal(props.write_once, undefined);
        // Decoders from before write_once know no such field, so it is left out where it is false.
        const body = encodeMessage(rpbGetBucketResp, { props: { ...props, write_once: false } });
        return Buffer.concat([ours.subarray(0, 1), body]).toString('hex');
      }
      case dtFetchResp.code:
      case dtUpdateResp.code: {
        const type = observed[0] === dtFetchResp.code ? dtFetchResp : dtUpdateResp;
        const { context } = decodeMessage<{ readonly context?: Buffer | undefined }>(type, observed, 1);
        const got = decodeMessage<{ readonly context?: Buffer | undefined }>(type, ours, 1);
        this.#meet(context, got.context);
        const body = encodeMessage(type as MessageType<object>, { ...got, context });
        return Buffer.concat([ours.subarray(0, 1), body]).toString('hex');
      }
      default:
        return ours.toString('hex');
    }
  }

  /** Names of a listing; the observed node had other buckets besides. */
  async #checkListing({ request, replies }: ObservedExchange): Promise<void> {
    const namesOf = (reply: string): { names: readonly ByteString[]; done: boolean } => {
      const bytes = Buffer.from(reply, 'hex');
      if (bytes[0] === rpbListKeysResp.code) {
        const { keys, done = false } = decodeMessage(rpbListKeysResp, bytes, 1);
        return { names: keys, done };
      }
      assert.equal(bytes[0], rpbListBucketsResp.code);
      const { buckets, done = false } = decodeMessage(rpbListBucketsResp, bytes, 1);
      return { names: buckets, done };
    };
    const expected = new Set(
      replies
        .flatMap((reply) => namesOf(reply).names)
        .map((name) => {
          const ours = this.#counterparts.get(bufferOf(name).toString('hex'));
          return ours === undefined ? name : byteLiteral(Buffer.from(ours, 'hex').toString('latin1'));
        }),
    );
    const isOfKeys = replies[0]!.startsWith('12');
    const isStream = namesOf(replies.at(-1)!).done;
    const got: ByteString[] = [];
    for (let reply = await this.#client.ask(request); ; reply = await this.#client.receive()) {
      const { names, done } = namesOf(reply);
      got.push(...names);
      if (done) assert.deepEqual(names, [], 'the last frame carries no names');
      if (done || !isStream) break;
    }
    assert.ok(got.length > 0);
    assert.equal(new Set(got).size, got.length);
    // The observed node held buckets of other clients too.
    const written = isOfKeys ? [...expected] : [byteLiteral('pb3'), byteLiteral('pbsib3')];
    const known = this.#others && !isOfKeys ? got.filter((name) => written.includes(name)) : got;
    assert.deepEqual(known.sort(), written.sort());
  }
}
