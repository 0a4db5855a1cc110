import { FaultyDisk, seeded } from '../memory/faulty-disk.fixture.ts';
import { storageEngineConformance } from '../storage-engine-conformance.ts';
import { name, openBackends, settle, TestPlaces, UnderOneByte } from './multi-engine.fixture.ts';

const odd = new TestPlaces(2);

for (const [told, backend] of [
  ['half of the keys in the default backend, half in the log', 'beside'],
  ['half of the keys in memory', 'fleeting'],
] as const) {
  storageEngineConformance(told, async () => {
    const disk = new FaultyDisk(seeded(1));
    const engine = await openBackends({ disk }, odd);
    await settle(engine, odd, new Map([[name('t1'), backend]]));
    const reopen = async () => new UnderOneByte(await openBackends({ disk }, odd));
    const persistence = {
      copyDirectory: 'main-copy',
      reopen,
      openCopy: async () => new UnderOneByte(await openBackends({ disk, suffix: '-copy' }, odd)),
    };
    return {
      engine: new UnderOneByte(engine),
      ...(backend === 'beside' ? { persistence } : {}),
      remove: async () => {},
    };
  });
}
