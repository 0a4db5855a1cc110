/**
 * Faults that were made in other databases, or nearly in this one, each as an edit of the source, with the scenario that must
 * find it and how many seeds it may take. `npm run mutants` plants them one by one.
 */

export interface Mutant {
  readonly name: string;
  /** What the database then does. */
  readonly does: string;
  /** From the repository's root. */
  readonly file: string;
  /** Stands in the file once; else the mutant is out of date. */
  readonly from: string;
  readonly to: string;
  readonly scenario: string;
  readonly firstSeed: number;
  /** Runs from `firstSeed` on until one fails. */
  readonly seedsMax: number;
}

export const mutants: readonly Mutant[] = [
  {
    name: 'amnesia',
    does: 'a vnode that has lost its copy of a key goes on counting from one (riak_kv#679)',
    file: 'src/kv/vnode/vnode-identities.ts',
    from: `    if (isAboveFloor && !needsNewEpoch(local, context, current, smallVclock)) return current;
    return this.#newEpoch(partition, identity);`,
    to: `    if (isAboveFloor && !needsNewEpoch(local, context, current, smallVclock)) return current;
    if (identity.next > 1) return actorId(identity.vnodeId, identity.next - 1);
    return this.#newEpoch(partition, identity);`,
    scenario: 'cluster-amnesia',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'repaired-identities',
    does: 'vnodes go on under their epochs after a repair of the engine that has set them back',
    file: 'src/kv/vnode/vnode-identities.ts',
    from: '    commit.engine.onDoubt?.(() => this.#endEpochs());',
    to: '',
    scenario: 'cluster-repair',
    firstSeed: 1,
    seedsMax: 30,
  },
  {
    name: 'repaired-trees',
    does: 'hash trees are believed after a repair of the engine has taken entries away',
    file: 'src/kv/anti-entropy/anti-entropy.ts',
    from: '      antiEntropy.#keeper.doubtAll();\n',
    to: '',
    scenario: 'cluster-repair',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'heavy-handoff',
    does: 'what a transfer brings overwrites what is there instead of being merged with it (riak_kv#1754)',
    file: 'src/kv/vnode/kv-vnodes.ts',
    from: '        : replicaPut(local, put.object);',
    to: `        : put.purpose === 'repair'
          ? put.object
          : replicaPut(local, put.object);`,
    scenario: 'cluster-overwrite-handoff',
    firstSeed: 1,
    seedsMax: 60,
  },
  {
    name: 'forwarded-put',
    does: 'the new owner coordinates again what the old one forwards, under a dot of its own (riak_kv#1046)',
    file: 'src/kv/vnode/kv-vnodes.ts',
    from: '        : replicaPut(local, put.object);',
    to: `        : put.purpose === 'repair' && this.#gate.isMoving(partition)
          ? ((actor) =>
              putObject(local, {
                context: put.object.clock,
                content: put.object.siblings[0]!.content,
                dot: { actor, counter: (local?.clock.counterOf(actor) ?? 0) + 1 },
                seconds: 0,
                allowMult: true,
                lastWriteWins: false,
                expiredByMicros: 0,
              }))(this.#identities.actorFor(partition, local, put.object.clock, 50))
          : replicaPut(local, put.object);`,
    scenario: 'cluster-forwarded-put',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'coverage-flip',
    does: 'a node that is asked to list a partition that has moved away lists nothing (OpenRiak riak_kv 23)',
    file: 'src/core/coverage/walk-protocol.ts',
    from: "  moved: (epoch) => ({ kind: 'moved', epoch }),",
    to: "  moved: () => ({ kind: 'slice', items: [], counted: 0 }),",
    scenario: 'cluster-coverage-flip',
    firstSeed: 1,
    seedsMax: 20,
  },
  {
    name: 'asynchronous-drop',
    does: 'a partition is said to be dropped, and is dropped a second later (Basho 1263)',
    file: 'src/core/handoff/own-moves.ts',
    from: '      await store.drop(partition, () => this.#isPresent(own));',
    to: '      environment.timers.after(1000, () => void store.drop(partition));',
    scenario: 'cluster-leave-race',
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'open-gate',
    does: 'after the old owner has proposed the switch its writes count without the new owner (G3)',
    file: 'src/core/handoff/move-gate.ts',
    from: '    move.isStrict = true;\n    return true;',
    to: '    return true;',
    scenario: 'cluster-switch-race',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'reaped-tombstones',
    does: 'tombstones are forgotten while a node is away that has what they deleted (C8)',
    file: 'src/kv/vnode/reaping-rule.ts',
    from: '  if (!topology.isSettled) return false;\n',
    to: '',
    scenario: 'cluster-stale-replica',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'unsynced-tombstones',
    does: 'tombstones are forgotten that a power cut can still take from one of the replicas (C8)',
    file: 'src/kv/coordinator/repair-after-read.ts',
    from: "  if (properties.durability !== 'os') reap();",
    to: '  if (reap !== undefined) reap();',
    scenario: 'cluster-unsynced',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'late-drop',
    does: 'a drop that outlasts its move wipes what was acknowledged after the node came to own the partition again',
    file: 'src/server/clustered-database.ts',
    from: '    serves: (partition) => !gate.isClosed(partition) && !late.isDropping(partition),',
    to: '    serves: (partition) => !gate.isClosed(partition),',
    scenario: 'cluster-operators',
    firstSeed: 1,
    seedsMax: 100,
  },
  {
    name: 'unheard-refusal',
    does: 'a request that was carried out, and whose reply found no room, passes for one that was refused (P6)',
    file: 'src/core/vnode/peer-requests.ts',
    from: '    pending.reply(this.#codec.unanswered(reason));',
    to: "    pending.reply(this.#codec.unanswered(reason === 'unheard' ? 'overload' : reason));",
    scenario: 'cluster-full-queues',
    firstSeed: 1,
    seedsMax: 10,
  },
  {
    name: 'cached-drop',
    does: 'the values of a partition that was dropped stay in the cache, and are back with the partition',
    file: 'src/storage/cache/cached-engine.ts',
    from: '    const steps = this.#cache.deleteRange(range);',
    to: '    const steps = this.#cache.deleteRange({ from: range.from!, to: range.from! });',
    scenario: 'cluster-operators',
    firstSeed: 1,
    seedsMax: 60,
  },
];
