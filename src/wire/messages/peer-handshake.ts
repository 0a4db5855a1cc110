/**
 * How two nodes begin a connection: hello →, ← challenge and proof, proof →, ← welcome; or a refusal. The
 * codes are those of the frames between nodes (1 to 5 here), not of Riak's catalogue. Fields may be added;
 * the first three of the hello and the refusal stay as they are in every version.
 */
import { frame, nested, optional, repeated, required } from '../message-type.ts';

/** "HALE". */
export const peerMagic = 0x48414c45;

/** PeerHello.purpose. */
export const peerPurpose = { member: 0, guest: 1 } as const;

export const peerCapability = nested('PeerCapability', {
  name: required(1, 'name'),
  version: required(2, 'uint32'),
});

const identity = {
  cluster: required(10, 'name'),
  generation: required(11, 'uint32'),
  node: required(12, 'name'),
  instance: required(13, 'name'),
  /** Fresh random bytes of this end: the other's proof covers them. */
  nonce: required(14, 'slice'),
  capabilities: repeated(15, peerCapability),
};

export const peerHello = frame('PeerHello', 1, {
  magic: required(1, 'uint32'),
  version_min: required(2, 'uint32'),
  version_max: required(3, 'uint32'),
  purpose: required(4, 'uint32'),
  /** Place of the traffic class in its list; of no meaning for a guest. */
  traffic: optional(5, 'uint32'),
  /** The node that is meant; a guest may know an address alone. */
  to: optional(6, 'name'),
  ...identity,
});

export const peerChallenge = frame('PeerChallenge', 2, { version: required(1, 'uint32'), ...identity });

export const peerProof = frame('PeerProof', 3, { mac: required(1, 'slice') });

export const peerWelcome = frame('PeerWelcome', 4, {});

export const peerRefusal = frame('PeerRefusal', 5, {
  code: required(1, 'name'),
  reason: optional(2, 'name'),
});
