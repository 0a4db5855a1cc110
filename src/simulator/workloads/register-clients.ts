/**
 * Clients that each write ever larger numbers to keys of their own, one at a time, and remember
 * what became of each write. Give `checkAckedMeansKept` their writes and the final reads.
 *
 * One writer per key puts the versions of a key in one line of descent, so any store that keeps the
 * latest write can be checked, with or without causality of its own.
 */
import type { CausalOrder, RegisterWrite } from '../checkers/acked-means-kept.ts';
import type { World } from '../world.ts';

export interface RegisterClientsOptions {
  readonly clients: number;
  readonly writesPerClient: number;
  /** Written in turn. With few, a lost write hides behind the next one of its key. */
  readonly keysPerClient: number;
  readonly pauseMsMean: number;
  /** Must settle in virtual time whatever fails; what rejects fails the run. */
  put(client: number, key: number, value: number): Promise<RegisterWrite<number>['outcome']>;
}

export const orderOfOneWriter: CausalOrder<number> = {
  descends: (later, earlier) => later >= earlier,
  nameOf: String,
};

export async function runRegisterClients(
  world: World,
  options: RegisterClientsOptions,
): Promise<readonly RegisterWrite<number>[]> {
  const writes: RegisterWrite<number>[] = [];
  const runClient = async (client: number): Promise<void> => {
    const random = world.random.fork(`client ${client}`);
    for (let value = 1; value <= options.writesPerClient; value++) {
      await world.sleep(random.exponential(options.pauseMsMean));
      const key = client * options.keysPerClient + (value % options.keysPerClient);
      const outcome = await options.put(client, key, value);
      writes.push({ key: String(key), version: value, outcome });
      world.work.add(`${outcome} puts`);
      world.record(`client ${client}`, `put ${outcome}`, `${key}=${value}`);
    }
  };
  await Promise.all(Array.from({ length: options.clients }, (_, client) => runClient(client)));
  return writes;
}
