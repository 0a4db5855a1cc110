/** The package's subpath `hale/core`: the cluster framework by itself, and a service on it over this machine. */
import { type Configuration, configurationWith } from './config/index.ts';
import { clusterOptions, ServiceNode, type ServiceNodeOptions } from './core/index.ts';
import type { Environment, Log } from './environment/index.ts';
import { lockDataDirectory, nodeEnvironment, silentLog, throwUncaught } from './runtime/index.ts';

export type { Configuration } from './config/index.ts';
export * from './core/index.ts';

export interface OpenServiceOptions<Request, Answer>
  extends Omit<ServiceNodeOptions<Request, Answer>, 'cluster'> {
  /** At least `nodename`, and `listener.cluster.internal`, without which no other node is met. */
  readonly configuration: Partial<Configuration>;
  /** Where the node keeps who it is and what the cluster agreed on. Without it each life is another node's. */
  readonly directory?: string;
  /** Default: silence. */
  readonly log?: Log;
}

export interface OpenService<Request, Answer> extends AsyncDisposable {
  readonly node: ServiceNode<Request, Answer>;
  /** Stops without handing anything over (see `ServiceNode.leave`), and releases the directory. */
  close(): Promise<void>;
}

/** Rejects as `ServiceNode.open` does, or with an error of code 'locked' if the directory is in use. */
export async function openService<Request, Answer>(
  options: OpenServiceOptions<Request, Answer>,
): Promise<OpenService<Request, Answer>> {
  const { configuration: changes, directory, log = silentLog, ...service } = options;
  const configuration = configurationWith(changes);
  const lock = directory === undefined ? undefined : lockDataDirectory(directory, configuration.nodename);
  const environment = nodeEnvironment({
    log,
    crash: (_activity, error) => throwUncaught(error),
    ...(lock === undefined ? {} : { dataDirectory: lock.directory }),
  });
  const release = async (): Promise<void> => {
    try {
      await environment.close();
    } finally {
      lock?.release();
    }
  };
  try {
    const node = await openOn(environment, configuration, service);
    const close = async (): Promise<void> => {
      try {
        await node.close();
      } finally {
        await release();
      }
    };
    return { node, close, [Symbol.asyncDispose]: close };
  } catch (cause) {
    await release();
    throw cause;
  }
}

function openOn<Request, Answer>(
  environment: Environment,
  configuration: Configuration,
  service: Omit<ServiceNodeOptions<Request, Answer>, 'cluster'>,
): Promise<ServiceNode<Request, Answer>> {
  return ServiceNode.open({ ...service, cluster: clusterOptions(configuration, environment) });
}
