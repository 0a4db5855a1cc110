export { builtInHookNames, builtInNames, preludeSource } from './built-ins.ts';
export { type CallClock, QuickJsEngine } from './quickjs-engine.ts';
export type {
  OpenSandbox,
  Sandbox,
  SandboxCall,
  SandboxCounts,
  SandboxDriver,
  SandboxLimits,
  SandboxOutcome,
  SandboxSettings,
  ScriptError,
} from './sandbox.ts';
export { functionSource, outcomeOfAnswer, outcomeOfError } from './script.ts';
