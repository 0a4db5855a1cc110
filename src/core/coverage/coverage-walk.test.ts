import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Clock, Instant, NodeId } from '../../environment/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { type ByteString, byteLiteral } from '../../stdx/index.ts';
import { type Partition, type PreferenceList, preferenceList, Ring } from '../ring/index.ts';
import type { Topology } from '../topology/index.ts';
import { VnodeRouter } from '../vnode/index.ts';
import { CoverageFailure, CoverageWalk } from './coverage-walk.ts';
import { type WalkReply, type WalkRequest, walkCodec } from './walk-protocol.ts';
import { type CoverageService, type PartitionWalk, WalkError, WalkService } from './walk-service.ts';

const ringSize = 16;
const n = 3;
const query = byteLiteral('all');
const sliceItems = 3;
const sliceLimits = { itemsMax: 5, bytesMax: 10_000, countedMax: 7 };

/** Names with their first partition; a node holds those of the partitions that it owns. */
class StoredNames implements CoverageService {
  readonly names: readonly { readonly name: ByteString; readonly first: Partition }[];
  failuresLeft: number;

  constructor(firsts: readonly number[], failures: number) {
    this.names = firsts.map((first, index) => ({
      name: byteLiteral(`name-${String(index).padStart(4, '0')}`),
      first: (first % ringSize) as Partition,
    }));
    this.failuresLeft = failures;
  }

  walk(
    _query: ByteString,
    { partition, firstPartitions }: WalkRequest['steps'][number],
    after: ByteString | undefined,
  ): PartitionWalk {
    const held = this.names.filter(({ name, first }) => {
      const distance = (partition - first + ringSize) % ringSize;
      return distance < n && (firstPartitions?.has(first) ?? true) && (after === undefined || name > after);
    });
    let at = 0;
    return {
      next: () => {
        if (this.failuresLeft > 0 && at > 0) {
          this.failuresLeft -= 1;
          return Promise.reject(new WalkError('unreadable'));
        }
        const items = held.slice(at, at + sliceItems).map(({ name }) => name);
        at += sliceItems;
        return Promise.resolve(items.length === 0 ? undefined : { items, after: items.at(-1)! });
      },
      close: () => Promise.resolve(),
    };
  }
}

interface Story {
  readonly firsts: readonly number[];
  readonly owners: readonly number[];
  readonly storageFailures: number;
  /** After so many requests the node is gone: it answers nothing but `unreachable`. */
  readonly lost: { readonly node: number; readonly after: number };
  /** …in the very call that asks it, as a queue that is full does. */
  readonly isRefusedAtOnce: boolean;
  /** Says `moved` once, at its k-th request. */
  readonly movedAt: number;
  readonly itemsMax: number;
  readonly counts: boolean;
}

async function tell(story: Story): Promise<{
  readonly walked: readonly ByteString[];
  readonly counted: number;
  readonly stored: StoredNames;
}> {
  const nodes = [0, 1, 2, 3, 4].map((index) => nodeIdOf(`n${index}@host`));
  const ring = new Ring(
    1,
    Array.from({ length: ringSize }, (_, p) => nodes[story.owners[p]! % nodes.length]!),
  );
  const stored = new StoredNames(story.firsts, story.storageFailures);
  const lostNode = nodes[story.lost.node]!;
  let requests = 0;
  const isLost = (node: NodeId): boolean => node === lostNode && requests > story.lost.after;
  const topology: Topology = {
    self: nodes[0]!,
    ring,
    isUp: (node) => !isLost(node),
    mayAnswer: () => true,
    isMoving: () => false,
    isOwnMove: () => false,
    isSettled: true,
    onChange: () => undefined,
    preferenceList: (first, count): PreferenceList => preferenceList(ring, first, count, () => true),
  };
  let serving = 0;
  const ownership = { epoch: 1, serves: () => ++serving !== story.movedAt };
  const service = new WalkService(stored, ownership, { spawn: (_name, body) => void body() }, sliceLimits);
  const peers = {
    send(
      to: NodeId,
      partition: Partition,
      request: WalkRequest,
      _route: unknown,
      reply: (reply: WalkReply) => void,
    ): void {
      requests += 1;
      if (isLost(to)) {
        if (story.isRefusedAtOnce) reply(walkCodec.unanswered('overload'));
        else queueMicrotask(() => reply(walkCodec.unanswered('unreachable')));
        return;
      }
      service.handle(partition, overTheWire(request), (answer) => reply(replyOverTheWire(answer)));
    },
  };
  const clock = { now: () => 0 as Instant } as Clock;
  const timers = {
    after: (_ms: number, wake: () => void) => {
      queueMicrotask(wake);
      return { cancel: () => {} };
    },
  };
  const { itemsMax, counts } = story;
  const walk = new CoverageWalk(
    { topology, clock, timers, router: new VnodeRouter(nodes[0]!, service, peers) },
    { query, n, offset: 5, deadline: 1000 as Instant, counts, ...(counts ? {} : { itemsMax }) },
  );
  const walked: ByteString[] = [];
  for (let names = await walk.next(); names !== undefined; names = await walk.next()) walked.push(...names);
  return { walked, counted: walk.counted, stored };
}

function overTheWire(request: WalkRequest): WalkRequest {
  const bytes = Buffer.alloc(walkCodec.requestBytes(request));
  walkCodec.writeRequest(request, bytes, 0);
  const read = walkCodec.readRequest(bytes);
  assert.deepEqual(read, request);
  return read;
}

function replyOverTheWire(reply: WalkReply): WalkReply {
  const bytes = Buffer.alloc(walkCodec.replyBytes(reply));
  walkCodec.writeReply(reply, bytes, 0);
  const read = walkCodec.readReply(bytes);
  assert.deepEqual(read, reply);
  return read!;
}

const stories = fc.record({
  firsts: fc.array(fc.nat(ringSize - 1), { maxLength: 120 }),
  owners: fc.array(fc.nat(4), { minLength: ringSize, maxLength: ringSize }),
  storageFailures: fc.nat(3),
  lost: fc.record({ node: fc.integer({ min: 1, max: 4 }), after: fc.nat(20) }),
  isRefusedAtOnce: fc.boolean(),
  movedAt: fc.nat(60),
  itemsMax: fc.oneof(fc.integer({ min: 1, max: 120 }), fc.constant(1000)),
  counts: fc.boolean(),
});

test('law: every name is walked once, whatever node is lost on the way, or the walk says what it lacks', async () => {
  let complete = 0;
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      try {
        const { walked, counted, stored } = await tell(story);
        complete += 1;
        const all = stored.names.map(({ name }) => name);
        if (story.counts) assert.deepEqual([walked, counted], [[], all.length]);
        else assert.deepEqual(walked, all.slice(0, story.itemsMax));
      } catch (error) {
        if (!(error instanceof CoverageFailure)) throw error;
        assert.ok(error.code === 'insufficient' || (error.code === 'storage' && story.storageFailures > 0));
        assert.ok(error.missing.length > 0);
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(complete > 100, `${complete} walks were complete`);
});

test('a node that refuses at once, as the last one that is asked, is replaced by one that had ended', async () => {
  const { walked, stored } = await tell({
    firsts: new Array<number>(30).fill(4),
    // The last step is the lost node's; the other holders of its names are of a node that was done before.
    owners: Array.from({ length: ringSize }, (_, partition) => (partition === 6 ? 1 : 2)),
    storageFailures: 0,
    lost: { node: 1, after: 5 },
    isRefusedAtOnce: true,
    movedAt: 0,
    itemsMax: 1000,
    counts: false,
  });
  assert.deepEqual([...walked].sort(), stored.names.map(({ name }) => name).sort());
});

test('V3: a slice has each partition read about twice its share of what the slice may hold, and no more', async () => {
  const partitions = 22;
  const itemsMax = 4000;
  let expected = 0;
  let read = 0;
  const service: CoverageService = {
    walk(_query, { partition }, _after, itemsExpected) {
      expected += itemsExpected;
      let at = 0;
      const next = (wanted: number) => {
        const items = Array.from({ length: wanted }, (_, i) => {
          const place = String((at + i) * partitions + partition).padStart(9, '0');
          return byteLiteral(place);
        });
        at += wanted;
        read += wanted;
        return Promise.resolve({ items, after: items.at(-1)! });
      };
      return { next, close: () => Promise.resolve() };
    },
  };
  const steps = Array.from({ length: partitions }, (_, partition) => ({ partition: partition as Partition }));
  const spawn = (_name: string, work: () => Promise<void>): void => void work();
  const walks = new WalkService(service, { epoch: 1, serves: () => true }, { spawn });
  const request: WalkRequest = { query, steps, itemsMax: 1_000_000, counts: false };
  const reply = await new Promise<WalkReply>((done) => walks.handle(steps[0]!.partition, request, done));
  assert.ok(reply.kind === 'slice');
  assert.equal(reply.items.length, itemsMax);
  assert.ok(expected <= 2 * itemsMax + partitions, `${expected} are expected of all`);
  assert.ok(read <= 2 * itemsMax + partitions, `${read} were read`);
});

test('malformed requests and replies are told, whatever their bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const body = Buffer.from(bytes);
      const request = walkCodec.readRequest(body);
      if (request !== undefined) assert.ok(request.steps.length > 0);
      const reply = walkCodec.readReply(body);
      if (reply?.kind === 'slice') assert.ok(reply.items.length <= body.length);
    }),
  );
  const steps = [
    { partition: 3 as Partition },
    { partition: 5 as Partition, firstPartitions: new Set([4 as Partition]) },
  ];
  const request: WalkRequest = { query, steps, after: byteLiteral('x'), itemsMax: 7, counts: true };
  const whole = Buffer.alloc(walkCodec.requestBytes(request));
  walkCodec.writeRequest(request, whole, 0);
  for (let length = 0; length < whole.length; length += 1) {
    assert.equal(walkCodec.readRequest(whole.subarray(0, length)), undefined);
  }
});
