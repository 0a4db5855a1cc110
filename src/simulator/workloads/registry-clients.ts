/**
 * Clients that write, compare and read facts of the registry, through whatever node they find, and note every
 * operation for the checker. A read is a change that is refused for certain: what this node has folded when it
 * hears of the refusal is as new as anything acknowledged before.
 */
import { Buffer } from 'node:buffer';
import type { Cluster, ProposeOutcome } from '../../core/index.ts';
import { byteLiteral } from '../../stdx/index.ts';
import type { RegisterAction, RegisterOperation } from '../checkers/linearizability.ts';
import type { World } from '../world.ts';
import { type ClusterNodes, placeOf, type SeenFact } from './cluster-nodes.ts';

const keys = ['x', 'y', 'z'];
const proposeMsMax = 4000;
/** No entry has it. */
const noRevision = 2 ** 40;

export interface Acknowledged {
  readonly place: string;
  readonly fact: SeenFact;
}

export class RegistryClients {
  readonly operations: RegisterOperation[] = [];
  readonly acknowledged: Acknowledged[] = [];
  readonly #world: World;
  readonly #nodes: ClusterNodes;
  #lastValue = 0;

  constructor(world: World, nodes: ClusterNodes) {
    this.#world = world;
    this.#nodes = nodes;
  }

  /** One client after another operation, until the time is over. */
  async run(client: string, untilMs: number, gapMs: number): Promise<void> {
    const random = this.#world.random.fork(client);
    while (this.#world.nowMs < untilMs) {
      await this.#world.sleep(random.exponential(gapMs));
      const opened = this.#nodes.opened();
      if (opened.length === 0) continue;
      const cluster = this.#nodes.cluster(random.pick(opened))!;
      const kind = random.pick(['read', 'write', 'write', 'compare-and-set'] as const);
      if (await this.#operate(client, cluster, random.pick(keys), kind)) this.#world.work.add(`${kind}s`);
    }
  }

  /** Writes through the node and reads it again; fails the run if that cannot be done. */
  async serve(node: string): Promise<void> {
    const cluster = this.#nodes.cluster(node)!;
    for (let i = 0; i < 20; i++) {
      if (await this.#operate(`at ${node}`, cluster, keys[0]!, 'write')) {
        await this.#operate(`at ${node}`, cluster, keys[0]!, 'read');
        this.#world.work.add('served');
        return;
      }
    }
    throw new Error(`nothing was served at ${node}`);
  }

  /** True if the outcome is known. */
  async #operate(
    client: string,
    cluster: Cluster,
    key: string,
    kind: RegisterAction['kind'],
  ): Promise<boolean> {
    const name = byteLiteral(key);
    const calledAt = this.#world.nowMs;
    const { log } = cluster;
    const known = log.state.registry.get(name);
    this.#lastValue += 1;
    const value = this.#lastValue;
    const bytes = Buffer.from(String(value));
    const expected =
      kind === 'write' ? {} : { expected: kind === 'read' ? noRevision : (known?.revision ?? 0) };
    const change = { name, value: bytes, ...expected };
    const { generation } = log.state;
    const outcome = await this.#within(
      cluster.propose({ kind: 'register', changes: [change] }, proposeMsMax),
      2 * proposeMsMax,
    );
    const isDone = outcome?.kind === 'applied';
    const isKnown = isDone || (outcome?.kind === 'refused' && outcome.refusal.code === 'conflict');
    const here = log.state.registry.get(name)?.value;
    const before = known === undefined ? undefined : Number(known.value.toString());
    const action = actionOf(
      kind,
      value,
      before,
      isKnown ? isDone : undefined,
      here && Number(here.toString()),
    );
    const returnedAt = isKnown ? this.#world.nowMs : undefined;
    this.operations.push({ client, key, action, calledAt, returnedAt });
    if (isDone) {
      const place = placeOf({ generation, epoch: outcome.epoch });
      this.acknowledged.push({ place, fact: { name: key, value: String(value) } });
    }
    return isKnown;
  }

  /** A node that dies answers nobody. */
  #within(outcome: Promise<ProposeOutcome>, ms: number): Promise<ProposeOutcome | undefined> {
    return Promise.race([outcome, this.#world.sleep(ms).then(() => undefined)]);
  }
}

function actionOf(
  kind: RegisterAction['kind'],
  value: number,
  expected: number | undefined,
  isDone: boolean | undefined,
  here: number | undefined,
): RegisterAction {
  switch (kind) {
    case 'read':
      return { kind, value: here };
    case 'write':
      return { kind, value };
    case 'compare-and-set':
      return { kind, expected, value, isDone };
  }
}
