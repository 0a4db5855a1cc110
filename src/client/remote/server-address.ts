/** `hale://host:port,host2,[::1]:8087`: the nodes that a client may talk to. */
import type { Address } from '../../environment/index.ts';
import { HaleError } from '../hale-error.ts';

export const addressScheme = 'hale://';
/** Where nodes serve Protocol Buffers, unless told otherwise. */
const portDefault = 8087;
const addressesMax = 256;

const hostAndPort = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@?#]+))(?::(\d{1,5}))?$/;

/** Throws `invalid_argument`. */
export function parseServerAddresses(text: string): readonly Address[] {
  const rest = text.startsWith(addressScheme)
    ? text.slice(addressScheme.length).replace(/\/$/, '')
    : undefined;
  if (rest === undefined)
    throw new HaleError('invalid_argument', `"${text}" does not begin with ${addressScheme}`);
  const parts = rest.split(',');
  if (parts.length > addressesMax)
    throw new HaleError('invalid_argument', `more than ${addressesMax} addresses`);
  return parts.map((part) => {
    const match = hostAndPort.exec(part.trim());
    const port = match?.[3] === undefined ? portDefault : Number(match[3]);
    if (match === null || port < 1 || port > 65_535) {
      throw new HaleError('invalid_argument', `"${part}" in "${text}" is not HOST or HOST:PORT`);
    }
    return { host: match[1] ?? match[2]!, port };
  });
}
