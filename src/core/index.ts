/** The cluster framework alone: partitions, preference lists, routing. It knows nothing of keys and values. */
export * from './coverage/index.ts';
export * from './ring/index.ts';
export * from './topology/index.ts';
export * from './vnode/index.ts';
