/** The simulated disk's own invariants D1 to D5 (simulated-disk.ts), checked against a model of cells. */
import { Buffer } from 'node:buffer';
import type { DiskFile, Environment } from '../../environment/index.ts';
import { assert } from '../../stdx/index.ts';
import type { Prng } from '../prng.ts';
import type { Scenario } from '../scenario.ts';
import { quietDisk } from '../simulated-disk.ts';
import type { World } from '../world.ts';

const cells = 48;
/** Not a divisor of a sector: a cell may tear. */
const cellBytes = 100;
const lives = 40;
const stepsPerLife = 30;
/** Among the values of a cell: a failed sync covered it, so that no later sync says anything of it. */
const uncertain = -1;

/** Per cell: the values that each of its bytes may have on the platter, and the one that reads see. */
interface Cell {
  platter: Set<number>;
  seen: Buffer;
}

export const diskLaws: Scenario = {
  name: 'disk-laws',
  describe: 'synced bytes and names survive crashes, unsynced ones may not, and nothing is invented',
  async run(world) {
    for (const work of ['syncs', 'failed syncs', 'torn or lost cells', 'replacements'])
      world.work.atLeast(work, 5);
    world.work.atLeast('lives', lives);
    const node = world.node('a');
    const model: Cell[] = Array.from({ length: cells }, () => ({
      platter: new Set([0]),
      seen: Buffer.alloc(cellBytes),
    }));
    const random = world.random.fork('disk laws');
    await prepare(node.environment);
    let replaced = 0;
    for (let life = 0; life < lives; life++) {
      world.work.add('lives');
      const { disk } = node.environment;
      const file = await disk.open('cells', { create: false });
      checkCells(world, file, model);
      await checkReplaced(node.environment, replaced);
      for (let step = 0; step < stepsPerLife; step++) await change(world, random, file, model);
      replaced = await replace(world, node.environment, replaced + 1);
      const unfinished = random.below(cells);
      model[unfinished]!.platter.add(255);
      void file.write(unfinished * cellBytes, Buffer.alloc(cellBytes, 255));
      if (random.chance(0.7)) node.crash();
      else {
        node.kill();
        // D5: but for the write under way, everything is as it was seen.
        for (const [i, cell] of model.entries()) {
          if (i !== unfinished) assertCell(await readCell(node.environment, i), cell.seen, i);
        }
        node.crash();
      }
    }
  },
};

async function prepare({ disk }: Environment): Promise<void> {
  const file = await disk.open('cells', { create: true });
  await file.write(0, Buffer.alloc(cells * cellBytes));
  await file.sync();
  await disk.makeDirectory('names');
  await disk.syncDirectory('');
}

async function change(world: World, random: Prng, file: DiskFile, model: Cell[]): Promise<void> {
  if (random.chance(0.15)) {
    world.node('a').disk.conditions = { ...quietDisk, syncFailure: 0.2 };
    try {
      await file.sync();
      world.work.add('syncs');
      // D1: what was written since the last sync, failed or not, is what the platter holds.
      for (const cell of model) if (!cell.platter.has(uncertain)) cell.platter = new Set(cell.seen);
    } catch {
      world.work.add('failed syncs');
      // D4: what was covered may be lost for good; only a new write makes it certain again.
      for (const cell of model) if (cell.platter.size > 1) cell.platter.add(uncertain);
    }
    world.node('a').disk.conditions = quietDisk;
    return;
  }
  const i = random.below(cells);
  const value = 1 + random.below(200);
  const cell = model[i]!;
  await file.write(i * cellBytes, Buffer.alloc(cellBytes, value));
  cell.seen = Buffer.alloc(cellBytes, value);
  cell.platter.delete(uncertain);
  cell.platter.add(value);
}

/** What a crash left is what the platter holds: the model takes it over. */
function checkCells(world: World, file: DiskFile, model: Cell[]): void {
  for (const [i, cell] of model.entries()) {
    const found = file.read(i * cellBytes, cellBytes);
    assert(
      found.every((byte) => cell.platter.has(byte)),
      `D1, D2: cell ${i} holds only what was written since it was last synced`,
    );
    if (!found.equals(cell.seen)) world.work.add('torn or lost cells');
    cell.platter = new Set(found);
    cell.seen = found;
  }
}

async function readCell({ disk }: Environment, i: number): Promise<Buffer> {
  const file = await disk.open('cells', { create: false });
  return file.read(i * cellBytes, cellBytes);
}

function assertCell(found: Buffer, seen: Buffer, i: number): void {
  assert(found.equals(seen), `D5: cell ${i} survives kill -9`);
}

/** The safe way to replace a file: write, sync, rename, sync the directory (D3). */
async function replace(world: World, { disk }: Environment, version: number): Promise<number> {
  const file = await disk.open('names/next', { create: true });
  await file.truncate(0);
  await file.write(0, Buffer.from(String(version)));
  await file.sync();
  await file.close();
  await disk.rename('names/next', 'names/current');
  await disk.syncDirectory('names');
  world.work.add('replacements');
  return version;
}

async function checkReplaced({ disk }: Environment, version: number): Promise<void> {
  if (version === 0) return;
  const file = await disk.open('names/current', { create: false });
  const found = Number(file.read(0, file.size).toString());
  assert(found === version, `D3: the replaced file is version ${version}, not ${found}`);
}
