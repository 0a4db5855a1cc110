/**
 * Whose data a directory holds. Dots, placement and hints are bound to the node's name and to the size
 * of the ring: opened under another name or size, the data would be wrong without being damaged.
 */
import { Buffer } from 'node:buffer';
import type { Log } from '../environment/index.ts';
import { layoutVersion, nodeFactKey } from '../kv/index.ts';
import { type StorageEngine, StorageError, WriteBatch } from '../storage/index.ts';
import { StartError } from './start-error.ts';

export interface NodeIdentity {
  readonly nodename: string;
  readonly ring_size: number;
}

const identityKey = nodeFactKey('identity');

/**
 * Stores the identity in an engine that has none, or whose record is damaged; throws `StartError` if it has
 * another one.
 */
export async function claimIdentity(engine: StorageEngine, identity: NodeIdentity, log: Log): Promise<void> {
  const stored = readRecord(engine, log);
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

/** A rotten block must not keep a node from the rest of its data: what protects from mistakes is given up. */
function readRecord(engine: StorageEngine, log: Log): Buffer | undefined {
  try {
    return engine.get(identityKey);
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'corrupt')) throw error;
    log.error("the data's identity record is damaged; it is written anew", { reason: error.message });
    return undefined;
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
