export type { Clock, Instant, WallMicros } from './clock.ts';
export { type Disk, DiskError, type DiskFile } from './disk.ts';
export type { Environment } from './environment.ts';
export type { HttpBody, HttpExchange, HttpHandler, HttpListener, HttpServer } from './http.ts';
export type { Log, LogFields } from './log.ts';
export {
  type Address,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
  NetworkError,
  type TlsFiles,
} from './network.ts';
export { type NodeId, nodeIdOf } from './node-id.ts';
export type { Random } from './random.ts';
export { RareNotices } from './rare-notices.ts';
export type { Tasks } from './tasks.ts';
export type { Timer, Timers } from './timers.ts';
