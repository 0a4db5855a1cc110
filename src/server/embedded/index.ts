/** A node for the application in whose process it is. Apart, since a node of its own process needs none of it. */
export { type EmbeddedNode, EmbeddedTransport } from './embedded-transport.ts';
export { ensureBucketTypes } from './ensure-bucket-types.ts';
