/** The bits of a member's attributes. The number stands on the wire; it is never used again for something else. */
export const memberAttribute = {
  /** It holds data in partitions that it neither owns nor is about to own (docs/internals/cluster.md). */
  hasStrays: 1,
} as const;

/** Of each life, until the node has said otherwise: nothing may be taken for granted. */
export const firstAttributes: number = memberAttribute.hasStrays;
