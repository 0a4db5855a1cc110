/** A store on a disk, without a port: what an API is put before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SoloTopology } from '../../src/core/topology/index.ts';
import { nodeIdOf } from '../../src/environment/index.ts';
import { DatatypeStore, LocalKeyValueStore, Preflists, silentObserver } from '../../src/kv/index.ts';
import { fixtureSettings } from '../../src/kv/key-value-settings.fixture.ts';
import { nodeEnvironment, silentLog } from '../../src/runtime/index.ts';
import { GroupCommit, openLevelEngine } from '../../src/storage/index.ts';

const datatypeBytesMax = 1_000_000;
const ringSize = 64;
const settings = {
  ...fixtureSettings,
  requestsMax: 10_000,
  objectBytesMax: 50_000_000,
  objectBytesWarn: 5_000_000,
  siblingsMax: 100,
  siblingsWarn: 25,
  deleteMode: 'keep',
  listTimeoutMs: 60_000,
} as const;

export async function openStore() {
  const directory = await mkdtemp(path.join(tmpdir(), 'hale-interop-'));
  const environment = nodeEnvironment({
    log: silentLog,
    crash(activity, error) {
      throw new Error(`crash in ${activity}`, { cause: error });
    },
  });
  const engine = await openLevelEngine({ directory }, environment);
  const topology = new SoloTopology(nodeIdOf('riak@127.0.0.1'), ringSize);
  const store = await LocalKeyValueStore.open({
    environment,
    commit: new GroupCommit(engine, environment.tasks),
    topology,
    observer: silentObserver,
    settings,
  });
  return {
    environment,
    store,
    preflists: new Preflists(store, topology),
    datatypes: new DatatypeStore(store, environment, datatypeBytesMax),
    close: async () => {
      await store.close();
      await engine.close();
      await environment.close();
      await rm(directory, { recursive: true });
    },
  };
}
