import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdOf } from '../../environment/index.ts';
import { World } from '../../simulator/index.ts';
import { BackgroundWork, type Foreground, unknownForeground } from './background-work.ts';
import type { RequestTimes } from './usual-time.ts';

const options = { bytesPerSecondMin: 100_000, delayMsMax: 10 };

/** Requests that take ever so long, as the test says. */
class Clients implements Foreground {
  meanMs = 5;
  isAway = false;
  isQuiet(): boolean {
    return this.isAway;
  }
  takeTimes(): readonly RequestTimes[] {
    return this.isAway ? [] : [{ count: 20, totalMs: 20 * this.meanMs, slow: 0 }];
  }
  countSlow(): void {}
}

async function inWorld(
  foreground: Foreground,
  story: (work: BackgroundWork, world: World) => Promise<void>,
): Promise<void> {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const { environment } = world.node(nodeIdOf('a@host'));
    const work = new BackgroundWork(environment, foreground, options);
    await story(work, world);
    work.close();
  });
}

/** Slices of 10,000 bytes, one after the other, for as long as said; returns how many. */
async function slicesIn(work: BackgroundWork, world: World, forMs: number): Promise<number> {
  let slices = 0;
  let isOver = false;
  const lanes = Array.from({ length: 4 }, async () => {
    while (!isOver) {
      await work.run(
        'store',
        async () => world.sleep(1),
        () => 10_000,
      );
      slices += 1;
    }
  });
  await world.sleep(forMs);
  const done = slices;
  isOver = true;
  await Promise.all(lanes);
  return done;
}

test('the rate is kept while requests are there, and not while there are none', async () => {
  const clients = new Clients();
  clients.meanMs = 50;
  await inWorld(clients, async (work, world) => {
    work.start();
    await world.sleep(3000);
    clients.meanMs = 100;
    const slices = await slicesIn(work, world, 2000);
    assert.ok(
      slices >= 18 && slices <= 26,
      `${slices} slices at the least rate, of which 20 are its two seconds`,
    );
    assert.ok(work.cuts > 0);
    clients.isAway = true;
    assert.ok((await slicesIn(work, world, 2000)) > 500, 'nobody is there to make room for');
  });
});

test('it goes faster while requests take what they usually take, and gives way when they take longer', async () => {
  const clients = new Clients();
  await inWorld(clients, async (work, world) => {
    work.start();
    await world.sleep(3000);
    await slicesIn(work, world, 3000);
    const calm = work.bytesPerSecond;
    assert.ok(calm > 10 * options.bytesPerSecondMin, `${calm} bytes a second`);
    clients.meanMs = 10;
    await slicesIn(work, world, 1000);
    assert.ok(work.bytesPerSecond < calm / 8, `${work.bytesPerSecond} bytes a second`);
  });
});

test('it gives way when a few requests take much longer, though the mean hardly moves', async () => {
  /** Of 400 requests four take 20 ms; when disturbed, another twelve take 45. */
  class Crowd implements Foreground {
    isDisturbed = false;
    #slowFromMs = Number.POSITIVE_INFINITY;
    isQuiet(): boolean {
      return false;
    }
    takeTimes(): readonly RequestTimes[] {
      const all: readonly (readonly [count: number, tookMs: number])[] = this.isDisturbed
        ? [
            [384, 5],
            [4, 20],
            [12, 45],
          ]
        : [
            [396, 5],
            [4, 20],
          ];
      const sum = (of: (count: number, tookMs: number) => number) =>
        all.reduce((total, [count, tookMs]) => total + of(count, tookMs), 0);
      return [
        {
          count: 400,
          totalMs: sum((count, tookMs) => count * tookMs),
          slow: sum((count, tookMs) => (tookMs > this.#slowFromMs ? count : 0)),
        },
      ];
    }
    countSlow([fromMs]: readonly number[]): void {
      this.#slowFromMs = fromMs ?? this.#slowFromMs;
    }
  }
  const clients = new Crowd();
  await inWorld(clients, async (work, world) => {
    work.start();
    await world.sleep(60_000);
    await slicesIn(work, world, 3000);
    const calm = work.bytesPerSecond;
    assert.ok(calm > 10 * options.bytesPerSecondMin, `${calm} bytes a second`);
    clients.isDisturbed = true;
    await slicesIn(work, world, 1000);
    assert.ok(work.bytesPerSecond < calm / 8, `${work.bytesPerSecond} bytes a second`);
  });
});

test('it gives way when the event loop turns late, whatever requests take', async () => {
  await inWorld(new Clients(), async (work, world) => {
    work.start();
    await world.sleep(1000);
    await slicesIn(work, world, 3000);
    const calm = work.bytesPerSecond;
    const node = world.node(nodeIdOf('a@host'));
    world.after(50, () => node.pause());
    world.after(120, () => node.resume());
    await slicesIn(work, world, 300);
    assert.equal(work.cuts, 1, 'once for one interval');
    assert.ok(work.bytesPerSecond < calm * 0.8);
  });
});

test('a least rate beyond what any disk does is kept as well', async () => {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const { environment } = world.node(nodeIdOf('a@host'));
    const work = new BackgroundWork(environment, new Clients(), { ...options, bytesPerSecondMin: 2 ** 40 });
    assert.ok((await slicesIn(work, world, 100)) > 50);
    assert.equal(work.bytesPerSecond, 2 ** 40);
    work.close();
  });
});

test('slices of a lane begin in the order in which they were asked for, two that read at once', async () => {
  await inWorld(unknownForeground, async (work, world) => {
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    const slice = async (i: number): Promise<number> => {
      begun.push(i);
      running += 1;
      most = Math.max(most, running);
      await world.sleep(5);
      running -= 1;
      return i;
    };
    const all = Array.from({ length: 9 }, (_, i) =>
      work.run(
        'read',
        () => slice(i),
        () => 1,
      ),
    );
    assert.deepEqual(begun, [], 'each in a turn of its own');
    assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert.equal(most, 2);
    assert.equal(work.bytes, 9);
  });
});

test('a slice that fails says so to who asked, and holds up nobody', async () => {
  await inWorld(unknownForeground, async (work) => {
    const fail = () => Promise.reject(new Error('no'));
    const failing = [1, 2, 3].map(() => assert.rejects(work.run('read', fail, () => 0)));
    await Promise.all(failing);
    assert.equal(
      await work.run(
        'read',
        async () => 7,
        () => 0,
      ),
      7,
    );
    assert.equal(work.waiting, 0);
  });
});

test('a close lets go on whoever waits', async () => {
  await inWorld(new Clients(), async (work, world) => {
    const slices = Array.from({ length: 20 }, () =>
      work.run(
        'store',
        async () => undefined,
        () => 1_000_000,
      ),
    );
    await world.sleep(100);
    assert.ok(work.waiting > 10, 'a slice costs ten seconds');
    work.close();
    await Promise.all(slices);
  });
});
