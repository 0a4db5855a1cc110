/**
 * Operators who lose nodes for good, disks and all, in the middle of moves, and remove them or give their places to others. What that
 * may lose is judged by what their disks had, and by the disks that are left at the commit that removes the node
 * (`checkers/lost-for-good.ts`).
 */
import type { Move, StagedChange } from '../../core/index.ts';
import type { Partition } from '../../core/ring/index.ts';
import { ObjectKey } from '../../kv/vnode/index.ts';
import type { KeyHistory } from '../checkers/key-history.ts';
import { type DiskCopy, diskCopyOf, excuseLost } from '../checkers/lost-for-good.ts';
import type { Prng } from '../prng.ts';
import type { World } from '../world.ts';
import type { ClusterClients } from './cluster-clients.ts';
import type { ClusterMember, ServingMember } from './cluster-member.ts';
import type { ClusterStage } from './cluster-stage.ts';
import { addressOf } from './numbered-values.ts';

const lookMs = 5;
/** A move that has not come to the stage that is waited for by then will not. */
const stageMsMax = 20_000;
const hesitationMsMean = 100;
const knownMsMax = 120_000;
/** Fewer cannot hold three replicas apart. */
const nodesMin = 3;

type CopiesOfKeys = ReadonlyMap<KeyHistory, readonly DiskCopy[]>;

export class Operators {
  readonly #world: World;
  readonly #stage: ClusterStage;
  readonly #clients: ClusterClients;
  readonly #random: Prng;
  /** Has been let in, and owns nothing yet. */
  #spare: ClusterMember | undefined;

  constructor(stage: ClusterStage, clients: ClusterClients, random: Prng) {
    this.#world = stage.world;
    this.#stage = stage;
    this.#clients = clients;
    this.#random = random;
  }

  /** Begins a change that loses nothing, and loses up to `lossesMax` nodes while partitions move. */
  async change(lossesMax: number): Promise<void> {
    const leaver = await this.#beginMoves();
    for (let losses = 0; losses < lossesMax; losses += 1) {
      await this.#prepareSpare();
      const move = await this.#moveIn(this.#random.pick(['copying', 'switched', 'released', 'released']));
      if (move !== undefined) await this.#lose(move);
    }
    const spare = this.#spare;
    this.#spare = undefined;
    await this.#stage.untilServing();
    if (spare !== undefined) await this.#stage.change([{ kind: 'join', node: spare.id }]);
    if (leaver !== undefined && this.#stage.members.includes(leaver)) await this.#stage.untilGone(leaver);
    await this.#stage.untilSettled();
  }

  /** A join, a leave, or one in place of another. Returns who is to leave. */
  async #beginMoves(): Promise<ClusterMember | undefined> {
    const stage = this.#stage;
    const node = await this.#prepareSpare();
    const leaver = this.#random.pick(stage.members.filter((member) => member !== node));
    const mayShrink = stage.members.length - 2 >= nodesMin;
    const kind = this.#random.pick(mayShrink ? ['join', 'leave', 'replace'] : ['join', 'join', 'replace']);
    this.#world.work.add(`changes of kind ${kind}`);
    if (kind !== 'leave') this.#spare = undefined;
    switch (kind) {
      case 'join':
        await stage.change([{ kind, node: node.id }]);
        return undefined;
      case 'leave':
        await stage.change([{ kind, node: leaver.id }]);
        return leaver;
      default:
        await stage.change([{ kind: 'replace', node: leaver.id, by: node.id }]);
        return leaver;
    }
  }

  async #prepareSpare(): Promise<ClusterMember> {
    if (this.#spare !== undefined) return this.#spare;
    const stage = this.#stage;
    const spare = stage.boot();
    await stage.untilServing([spare]);
    await stage.join(spare, this.#random.pick(stage.settledMembers));
    this.#spare = spare;
    return spare;
  }

  /** Undefined: nothing comes to that stage any more. */
  async #moveIn(wanted: Move['stage']): Promise<Move | undefined> {
    const end = this.#world.nowMs + stageMsMax;
    while (this.#world.nowMs < end) {
      const one = this.#stage.members.find(({ isServing }) => isServing);
      const moves = one === undefined ? [] : [...this.#stage.state(one).moves.values()];
      const found = moves.filter(({ stage }) => stage === wanted);
      if (found.length > 0) return this.#random.pick(found);
      if (one !== undefined && moves.length === 0) return undefined;
      await this.#world.sleep(lookMs);
    }
    return undefined;
  }

  /** The receiver of a move, or its sender, for good. */
  async #lose({ from, to, stage: of }: Move): Promise<void> {
    const stage = this.#stage;
    await this.#world.sleep(this.#random.exponential(hesitationMsMean));
    const id = this.#random.chance(0.7) ? to : from;
    const victim = stage.members.find((member) => member.id === id && member.isServing);
    if (victim === undefined || stage.members.some((one) => !one.isServing)) return;
    if (!this.#hasMajorityWithout(victim)) return;
    // At once, lest something is handed over to it in between.
    const had = this.#copiesOn([victim]);
    victim.end(this.#random.pick(['crash', 'kill']));
    const spare = this.#spare!;
    const mayShrink = stage.members.length - 2 >= nodesMin;
    const change: StagedChange =
      mayShrink && this.#random.chance(0.5)
        ? { kind: 'remove', node: victim.id }
        : { kind: 'force-replace', node: victim.id, by: spare.id };
    const epoch = await this.#committed(change);
    if (epoch === undefined) {
      victim.process.restart();
      return;
    }
    stage.retire(victim);
    if (change.kind === 'force-replace') this.#spare = undefined;
    this.#world.work.add(`${change.kind}s`);
    this.#world.work.add('nodes lost for good');
    this.#world.work.add(`nodes lost in ${of}`);
    this.#world.record(victim.name, 'lost for good', `${change.kind} in ${of}`);
    await this.#excuse(had, epoch);
  }

  /** Of two losses, one soon after the other, the second may take the majority of the voters, and nothing is agreed any more. */
  #hasMajorityWithout(victim: ClusterMember): boolean {
    const leader = this.#stage.members.find(({ serving }) => serving?.node.database.cluster.log.leads);
    const voters = leader?.present.node.database.cluster.log.status.voters ?? [];
    const left = this.#stage.members.filter((member) => member !== victim && voters.includes(member.id));
    return left.length > voters.length / 2;
  }

  /** Undefined: the cluster refuses it as it is. */
  async #committed(change: StagedChange): Promise<number | undefined> {
    try {
      return await this.#stage.change([change]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('refused')) throw error;
      this.#world.work.add('refused changes');
      await this.#stage.agree({ kind: 'clear' });
      return undefined;
    }
  }

  async #excuse(had: CopiesOfKeys, epoch: number): Promise<void> {
    const stage = this.#stage;
    const isBehind = (member: ClusterMember): boolean =>
      !member.isServing || stage.state(member).epoch < epoch;
    // Who has left in order has nothing, and hears of nothing.
    const staying = (): readonly ClusterMember[] => {
      const ahead = stage.members.find((member) => !isBehind(member));
      if (ahead === undefined) return stage.members;
      return stage.members.filter(({ id }) => stage.state(ahead).members.has(id));
    };
    await stage.until('the loss is known', () => !staying().some(isBehind), knownMsMax);
    const left = this.#copiesOn(staying());
    for (const key of this.#clients.keys) {
      const lost = excuseLost(key, had.get(key)!, left.get(key)!);
      this.#world.work.add(`writes to ${key.bucket} that may be lost`, lost);
    }
  }

  /** As they are at this moment: nothing happens between the first that is read and the last. */
  #copiesOn(members: readonly ClusterMember[]): CopiesOfKeys {
    return new Map(
      this.#clients.keys.map((key) => [key, members.flatMap(({ present }) => copiesOf(key, present))]),
    );
  }
}

function copiesOf(history: KeyHistory, serving: ServingMember): readonly DiskCopy[] {
  const key = new ObjectKey(addressOf(history));
  return serving.node.database.cluster.topology.ring.partitions().flatMap((partition) => {
    const bytes = serving.engine.get(key.copy(partition));
    return bytes === undefined ? [] : [diskCopyOf(bytes, answersFor(serving, partition, key))];
  });
}

/** Whether its replica of the partition would answer a read: not while it is being dropped. */
function answersFor({ node }: ServingMember, partition: Partition, key: ObjectKey): boolean {
  let answers = false;
  node.database.store.replicas.handle(partition, { kind: 'get', key }, ({ kind }) => {
    answers = kind !== 'failed' && kind !== 'moved' && kind !== 'unanswered';
  });
  return answers;
}
