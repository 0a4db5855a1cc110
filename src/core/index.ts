/** The cluster framework alone: partitions, preference lists, routing. It knows nothing of keys and values. */

export * from './background/index.ts';
export * from './cluster/index.ts';
export * from './coverage/index.ts';
export * from './handoff/index.ts';
export * from './liveness/index.ts';
export * from './ring/index.ts';
export * from './service/index.ts';
export * from './topology/index.ts';
export * from './transport/index.ts';
export * from './vnode/index.ts';
