/** What a program that runs `hale` can tell from its exit. Stable. */
export const exitCodes = {
  ok: 0,
  /** Anything without a code of its own; also a crash of the node. */
  failure: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The configuration is wrong or its file cannot be read. */
  configuration: 3,
  /** An address to listen on is taken, or is not this machine's. */
  address: 4,
  /** The data directory is in use, or belongs to another node. */
  dataDirectoryTaken: 5,
  /** The data directory cannot be read or written, or its data is damaged or of an unknown format. */
  data: 6,
  /** No node answers at the given address. */
  unreachable: 7,
  /** `hale get` or `hale del` found nothing. */
  notFound: 8,
  /** The cluster, or the node, refuses the change as it stands: trying again changes nothing. */
  refused: 9,
  /** The cluster is not healthy enough for the change; `--force` insists. */
  unhealthy: 10,
  /** The plan was made of another state of the cluster. */
  planOutdated: 11,
  /** No majority of voters can be reached, or none answered in time: the change may still happen. */
  undecided: 12,
  /** `--wait`: the effect has not come in time. */
  waitedInVain: 13,
  /** The cluster has removed this node for good. */
  removed: 14,
} as const;

/** For `hale --help`. */
export const exitCodeMeanings: readonly (readonly [ExitCode, string])[] = [
  [exitCodes.ok, 'done; a node that was told to stop has stopped in order'],
  [exitCodes.failure, 'failure, or a crash'],
  [exitCodes.usage, 'the command line is wrong'],
  [exitCodes.configuration, 'the configuration is wrong'],
  [exitCodes.address, 'an address to listen on is taken'],
  [exitCodes.dataDirectoryTaken, "the data directory is in use, or another node's"],
  [exitCodes.data, 'the data cannot be read or written'],
  [exitCodes.unreachable, 'no node answers'],
  [exitCodes.notFound, 'the object was not found'],
  [exitCodes.refused, 'the cluster refuses the change'],
  [exitCodes.unhealthy, 'the cluster is not healthy enough; --force insists'],
  [exitCodes.planOutdated, 'the cluster has changed since the plan was made'],
  [exitCodes.undecided, 'no majority of voters answered; the change may still happen'],
  [exitCodes.waitedInVain, '--wait: the effect did not come in time'],
  [exitCodes.removed, 'the cluster has removed this node'],
];

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends a command. Every line of the message is printed after `hale: `. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}
