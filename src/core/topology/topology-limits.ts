/** How large the agreed state may become. It travels whole to who is far behind, and every node keeps it in memory. */

export const membersMax = 4096;
export const stagedChangesMax = 1024;
/** Beyond it the oldest removal is forgotten. */
export const removedInstancesMax = 4096;
export const advancePartitionsMax = 1024;

/** Of a node's name, an instance, a host or a location, in UTF-8. */
export const memberTextBytesMax = 255;
export const capabilitiesMax = 256;

export const registryEntriesMax = 65_536;
/** All names and values together. */
export const registryBytesMax = 32 * 1024 * 1024;
export const registryNameBytesMax = 4096;
export const registryValueBytesMax = 256 * 1024;
export const registryChangesMax = 1024;

export const targetNMax = 64;
