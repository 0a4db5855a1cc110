/**
 * Whose data a directory holds. Dots, placement and hints are bound to the node's name and to the size
 * of the ring: opened under another name or size, the data would be wrong without being damaged.
 */
import { Buffer } from 'node:buffer';
import { layoutVersion, nodeFactKey } from '../kv/index.ts';
import type { StorageEngine } from '../storage/index.ts';
import { WriteBatch } from '../storage/index.ts';
import { StartError } from './start-error.ts';

export interface NodeIdentity {
  readonly nodename: string;
  readonly ring_size: number;
}

const identityKey = nodeFactKey('identity');

/** Stores the identity in an engine that has none; throws `StartError` if it has another one. */
export async function claimIdentity(engine: StorageEngine, identity: NodeIdentity): Promise<void> {
  const stored = engine.get(identityKey);
  if (stored === undefined) {
    const batch = new WriteBatch();
    batch.put(identityKey, Buffer.from(JSON.stringify({ layout: layoutVersion, ...identity }), 'utf8'));
    await engine.write(batch, 'synced');
    return;
  }
  const { layout, nodename, ring_size } = parse(stored);
  if (layout !== layoutVersion) {
    throw new StartError('data', `the data has layout ${layout}; this version knows ${layoutVersion}`);
  }
  if (nodename !== identity.nodename) {
    const rule = `start with --name ${nodename}, or with another data directory`;
    throw new StartError(
      'other-node',
      `the data belongs to node ${nodename}, not ${identity.nodename}; ${rule}`,
    );
  }
  if (ring_size !== identity.ring_size) {
    const rule = 'the ring size of a cluster is fixed';
    throw new StartError(
      'other-node',
      `the data is of a ring of ${ring_size} partitions, and ring_size is ${identity.ring_size}; ${rule}`,
    );
  }
}

interface StoredIdentity extends NodeIdentity {
  readonly layout: number;
}

function parse(stored: Buffer): StoredIdentity {
  let value: Partial<StoredIdentity> | null;
  try {
    value = JSON.parse(stored.toString('utf8')) as Partial<StoredIdentity> | null;
  } catch {
    value = null;
  }
  const { layout, nodename, ring_size } = value ?? {};
  if (typeof layout !== 'number' || typeof nodename !== 'string' || typeof ring_size !== 'number') {
    throw new StartError('data', "the data's identity record cannot be read");
  }
  return { layout, nodename, ring_size };
}
