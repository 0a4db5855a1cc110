declare const peerId: unique symbol;
/**
 * Names one replica in one life of its disk; not an address. A replica that lost what it had persisted
 * must come back under a new id: under the old one others count on promises that it has forgotten.
 */
export type PeerId = string & { readonly [peerId]: true };

export function peerIdOf(name: string): PeerId {
  return name as PeerId;
}
