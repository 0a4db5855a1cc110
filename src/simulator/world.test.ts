import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from './world.ts';

test('virtual time passes without real time', async () => {
  const world = new World({ seed: 1 });
  const startedAt = performance.now();
  await world.run(() => world.sleep(86_400_000));
  assert.equal(world.nowMs, 86_400_000);
  assert.ok(performance.now() - startedAt < 5000);
});

test('one seed, one history; another seed, another', async () => {
  const hashOf = async (seed: number): Promise<string> => {
    const world = new World({ seed });
    await world.run(async () => {
      const { timers, random } = world.node('a').environment;
      for (let i = 0; i < 20; i++) {
        await new Promise<void>((resolve) => timers.after(random.fraction(), resolve));
      }
    });
    return world.history.hash;
  };
  assert.equal(await hashOf(5), await hashOf(5));
  assert.notEqual(await hashOf(5), await hashOf(6));
});

test('a scenario that waits for ever fails', async () => {
  const world = new World({ seed: 1 });
  const waiting = world.run(() => new Promise<void>(() => undefined));
  await assert.rejects(waiting, /nothing is left to happen/);
});

test('a run without end fails', async () => {
  const world = new World({ seed: 1, eventsMax: 1000 });
  const running = world.run(async () => {
    for (;;) await world.sleep(1);
  });
  await assert.rejects(running, /no end after 1000 events/);
});

test('an assertion that fails in a task nobody awaits fails the run', async () => {
  const world = new World({ seed: 1 });
  const running = world.run(async () => {
    world.node('a').environment.tasks.spawn('repair', async () => {
      await world.sleep(1);
      throw new Error('broken invariant');
    });
    await world.sleep(10);
  });
  await assert.rejects(running, {
    name: 'SimulationFailure',
    message: /task repair of a .*broken invariant/,
  });
});

test('a callback that throws fails the run', async () => {
  const world = new World({ seed: 1 });
  const running = world.run(async () => {
    world.node('a').environment.timers.after(1, () => {
      throw new Error('bug');
    });
    await world.sleep(10);
  });
  await assert.rejects(running, /a crashed: bug/);
});

test('a life that ended is never called again; the next one boots', async () => {
  const world = new World({ seed: 1 });
  const ticks: number[] = [];
  await world.run(async () => {
    const node = world.node('a');
    let lives = 0;
    node.boot(async ({ timers }) => {
      const life = ++lives;
      const tick = (): void => {
        ticks.push(life);
        timers.after(10, tick);
      };
      tick();
    });
    await world.sleep(25);
    node.kill();
    await world.sleep(100);
    node.restart();
    await world.sleep(15);
    node.crash();
  });
  assert.deepEqual(ticks, [1, 1, 1, 2, 2]);
});

test('a pause loses nothing and keeps the order', async () => {
  const world = new World({ seed: 1 });
  const seen: string[] = [];
  await world.run(async () => {
    const node = world.node('a');
    const { timers } = node.environment;
    for (const i of [1, 2, 3]) timers.after(i, () => seen.push(`timer ${i} at ${world.nowMs}`));
    await world.sleep(1.5);
    node.pause();
    await world.sleep(100);
    seen.push('resumed');
    node.resume();
    await world.sleep(1);
  });
  assert.deepEqual(seen, ['timer 1 at 1', 'resumed', 'timer 2 at 101.5', 'timer 3 at 101.5']);
});

test('a cancelled timer does not fire, also not out of a pause', async () => {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const node = world.node('a');
    const timer = node.environment.timers.after(1, () => assert.fail('fired'));
    node.pause();
    await world.sleep(5);
    timer.cancel();
    node.resume();
    await world.sleep(5);
  });
});

test('clocks: jumps move the wall only, drift moves both and the timers', async () => {
  const world = new World({ seed: 1 });
  await world.run(async () => {
    const node = world.node('a');
    const { clock, timers } = node.environment;
    const [monotonic, wall] = [clock.now(), clock.wallMicros()];
    node.jumpClock(3_600_000);
    await world.sleep(1000);
    assert.ok(Math.abs(clock.now() - monotonic - 1000) < 0.01);
    assert.ok(Math.abs(clock.wallMicros() - wall - 3_601_000_000) < 100);
    node.driftClock(0.25);
    const [fast, before] = [clock.now(), world.nowMs];
    await new Promise<void>((resolve) => timers.after(1000, resolve));
    assert.ok(Math.abs(clock.now() - fast - 1000) < 0.01);
    assert.ok(Math.abs(world.nowMs - before - 800) < 0.01);
    assert.notEqual(world.node('b').environment.clock.now(), clock.now());
  });
});

test('the end of a turn comes once for all that asked, with what it puts off itself', async () => {
  const world = new World({ seed: 1 });
  const order: string[] = [];
  await world.run(async () => {
    const { tasks } = world.node('a').environment;
    tasks.endOfTurn(() => {
      order.push('storage');
      tasks.endOfTurn(() => order.push('network'));
    });
    tasks.endOfTurn(() => order.push('storage 2'));
    await world.sleep(1);
  });
  assert.deepEqual(order, ['storage', 'storage 2', 'network']);
});
