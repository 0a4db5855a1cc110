export { type CrashHandler, throwUncaught } from './crash.ts';
export {
  type DataDirectoryLock,
  DataDirectoryLockedError,
  type LockHolder,
  lockDataDirectory,
} from './data-directory-lock.ts';
export { type HttpServerLimits, NodeHttpServer } from './http-listener.ts';
export { type LogLevel, type LogOptions, openLog, silentLog } from './log.ts';
export { memoryOfProcess } from './memory.ts';
export type { NetworkOptions } from './network.ts';
export { type NodeEnvironment, type NodeEnvironmentOptions, nodeEnvironment } from './node-environment.ts';
export { isRunning, type ProcessIdentity } from './process-identity.ts';
export { openSandboxPool } from './sandbox/sandbox-pool.ts';
