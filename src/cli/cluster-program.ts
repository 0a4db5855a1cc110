/** The command line of `hale cluster`, `hale ring` and `hale aae`. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ChangeOptions } from './cluster-command.ts';
import type { Terminal } from './terminal.ts';

const waitMsDefault = 3_600_000;

type Addressed = (command: Command) => Command;
type Declare = (declaration: string, description: string) => Command;

interface ShowFlags {
  readonly at: string;
  readonly json: boolean;
  readonly watch: boolean;
}

interface ChangeFlags {
  readonly at: string;
  readonly json: boolean;
  readonly wait?: number | true;
}

export function addClusterCommands(hale: Command, terminal: Terminal, addressed: Addressed): void {
  const cluster = hale.command('cluster').description('who is a member, who owns what, and how that changes');
  const declare: Declare = (declaration, description) =>
    addressed(cluster.command(declaration).description(description)).option('--json', 'as JSON', false);
  addViews(declare, terminal);
  addMembership(declare, terminal);
  addStaging(declare, terminal);
  addPlanning(declare, terminal);
  addMarks(declare, terminal);
}

function addViews(declare: Declare, terminal: Terminal): void {
  const views = [
    ['status', 'show the cluster as a node sees it', 'showOverview'],
    ['members', 'show its members', 'showMembers'],
    ['ring', 'show who owns which partition', 'showRing'],
    ['transfers', 'show what moves, how fast, and what waits to go home', 'showTransfers'],
  ] as const;
  for (const [name, description, action] of views) {
    declare(name, description)
      .option('--watch', 'again and again: redrawn on a terminal, else a line for each change', false)
      .action(async (flags: ShowFlags) => {
        const commands = await import('./cluster-command.ts');
        await commands[action](terminal, flags);
      });
  }
}

function addMembership(declare: Declare, terminal: Terminal): void {
  waiting(
    declare(
      'join <SEED>',
      'let the node at --at join the cluster of the node at SEED, HOST:PORT; stages the join',
    ),
  ).action(async (seed: string, flags: ChangeFlags) => {
    const { joinCluster } = await import('./cluster-command.ts');
    await joinCluster(terminal, seed, changeOptions(flags));
  });
  waiting(
    declare('leave [NODE]', 'stage that a node (the one at --at) hands over all it has, and goes'),
  ).action(async (node: string | undefined, flags: ChangeFlags) => {
    const { leaveCluster } = await import('./cluster-command.ts');
    await leaveCluster(terminal, node, changeOptions(flags));
  });
}

function addStaging(declare: Declare, terminal: Terminal): void {
  const stage = async (kind: string, body: object, words: string, flags: ChangeFlags): Promise<void> => {
    const { changeCluster } = await import('./cluster-command.ts');
    await changeCluster(terminal, kind, body, `staged: ${kind} ${words}`, flags);
  };
  declare(
    'remove <NODE>',
    'stage that a node that is gone for good is no member; others rebuild what it had',
  ).action((node: string, flags: ChangeFlags) => stage('remove', { node }, node, flags));
  declare('replace <NODE> <BY>', 'stage that BY, which has joined, takes over all that NODE has').action(
    (node: string, by: string, flags: ChangeFlags) =>
      stage('replace', { node, by }, `${node} by ${by}`, flags),
  );
  declare(
    'force-replace <NODE> <BY>',
    'the same for a NODE that is gone for good: BY rebuilds what it had',
  ).action((node: string, by: string, flags: ChangeFlags) =>
    stage('force-replace', { node, by }, `${node} by ${by}`, flags),
  );
  declare(
    'location <LOCATION> [NODE]',
    'stage where a node (the one at --at) stands; "" is the host of its name',
  ).action((location: string, node: string | undefined, flags: ChangeFlags) =>
    stage(
      'location',
      { location, ...(node === undefined ? {} : { node }) },
      `${location} ${node ?? ''}`.trim(),
      flags,
    ),
  );
}

function addPlanning(declare: Declare, terminal: Terminal): void {
  declare('plan', 'show what a commit of the staged changes would do').action(
    async (flags: { at: string; json: boolean }) => {
      const { showPlan } = await import('./cluster-command.ts');
      await showPlan(terminal, flags);
    },
  );
  waiting(declare('commit', 'carry out the staged changes'))
    .option('--plan <ID>', 'only if the plan is still the one with this name')
    .option('--force', 'even if the cluster is not healthy; it is logged', false)
    .action(async (flags: ChangeFlags & { plan?: string; force: boolean }) => {
      const { commitPlan } = await import('./cluster-command.ts');
      await commitPlan(terminal, { ...changeOptions(flags), plan: flags.plan, force: flags.force });
    });
  const simply = (name: string, description: string, done: string): void => {
    declare(name, description).action(async (flags: ChangeFlags) => {
      const { changeCluster } = await import('./cluster-command.ts');
      await changeCluster(terminal, name, {}, done, flags);
    });
  };
  simply('clear', 'forget what is staged', 'nothing is staged');
  simply('cancel', 'give up the moves that have not begun', 'moves that had not begun were given up');
}

function addMarks(declare: Declare, terminal: Terminal): void {
  for (const [name, description] of [
    ['down', 'mark a node as away: it is asked for nothing until it is marked up'],
    ['up', 'take back the mark'],
  ] as const) {
    declare(`${name} <NODE>`, description).action(async (node: string, flags: ChangeFlags) => {
      const { changeCluster } = await import('./cluster-command.ts');
      await changeCluster(terminal, name, { node }, `${node} is marked ${name}`, flags);
    });
  }
  declare(
    'recover <SURVIVOR...>',
    'go on after a majority of voters is lost for good; name all nodes that survive. What only the lost ones knew is lost',
  ).action(async (survivors: readonly string[], flags: ChangeFlags) => {
    const { changeCluster } = await import('./cluster-command.ts');
    await changeCluster(
      terminal,
      'recover',
      { survivors },
      'recovered: the survivors are a cluster again',
      flags,
    );
  });
}

function waiting(command: Command): Command {
  return command.option('--wait [SECONDS]', 'return when it has taken effect (default: an hour)', seconds);
}

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('must be a number of seconds');
  return Number(text) * 1000;
}

function changeOptions({ at, json, wait }: ChangeFlags): ChangeOptions {
  return { at, json, waitMs: wait === true ? waitMsDefault : wait };
}

export function addRingCommands(hale: Command, terminal: Terminal, addressed: Addressed): void {
  const ring = hale.command('ring').description('how good the ring is');
  addressed(ring.command('risk').description('what several failures at once would cost'))
    .option('--failures <COUNT>', 'nodes that fail together', '2')
    .option('--unit <UNIT>', 'what fails: node or location', 'node')
    .option('--replicas <N>', 'n_val to judge by (default: that of most buckets)')
    .option('--json', 'as JSON', false)
    .action(
      async (flags: { at: string; json: boolean; failures: string; unit: string; replicas?: string }) => {
        const { showRisk } = await import('./ring-command.ts');
        await showRisk(terminal, { ...flags, replicas: flags.replicas });
      },
    );
  const antiEntropy = hale.command('aae').description('anti-entropy');
  addressed(antiEntropy.command('status').description('show its trees and exchanges at a node'))
    .option('--json', 'as JSON', false)
    .action(async (flags: { at: string; json: boolean }) => {
      const { showAntiEntropy } = await import('./ring-command.ts');
      await showAntiEntropy(terminal, flags);
    });
}
