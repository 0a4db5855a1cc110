/** The package's subpath `hale/client`: the remote client without the server. */
export * from './client/index.ts';
export { openServers as open } from './open-remote.ts';
