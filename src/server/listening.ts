import { formatAddress, type HostAndPort } from '../config/index.ts';
import { NetworkError } from '../environment/index.ts';
import { StartError } from './start-error.ts';

/** Tells which listener failed, and where: `key` is what to configure. Other failures pass as they are. */
export async function listening<L>(
  address: HostAndPort | 'off',
  key: string,
  listen: () => Promise<L>,
): Promise<L> {
  try {
    return await listen();
  } catch (error) {
    if (!(error instanceof NetworkError) || address === 'off') throw error;
    const reason = error.code === 'address-in-use' ? 'is in use' : `cannot be listened on (${error.message})`;
    const message = `${formatAddress(address)} ${reason}; set ${key} to another address`;
    throw new StartError('address', message, { cause: error });
  }
}
