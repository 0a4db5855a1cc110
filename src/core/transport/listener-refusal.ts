import type { Address } from '../../environment/index.ts';

/** Anybody who can reach the address could become a node of the cluster, and read and write all of it. */
export class InsecureListenerError extends Error {
  override readonly name = 'InsecureListenerError';
}

export interface ListenerSecurity {
  readonly hasSecret: boolean;
  readonly isEncrypted: boolean;
  /** The operator said that the network is safe by itself. */
  readonly allowsStrangers: boolean;
}

/** Whether an address is of this machine alone. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Why a node must not listen there to others; undefined: it may. */
export function listenerRefusal(
  address: Address,
  security: ListenerSecurity,
): InsecureListenerError | undefined {
  const isSafe = security.hasSecret || security.isEncrypted || security.allowsStrangers;
  if (isSafe || isLoopback(address.host)) return undefined;
  return new InsecureListenerError(
    `${address.host}:${address.port} can be reached from other machines and nothing keeps strangers out: set ` +
      'cluster.secret or cluster.tls.*, or cluster.allow_strangers=true where the network itself is safe',
  );
}
