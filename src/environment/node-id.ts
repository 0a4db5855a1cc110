declare const nodeId: unique symbol;
/** A node's name in `name@host` form, as Riak's clients and operators know it. Not an address. */
export type NodeId = string & { readonly [nodeId]: true };

export function nodeIdOf(name: string): NodeId {
  return name as NodeId;
}
