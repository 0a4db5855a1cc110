export { type CommitHookParts, CommitHooks, rejectionOf } from './commit-hooks.ts';
export { defaultHookSettings, HookFunctions, type HookSettings, Rejection } from './hook-functions.ts';
export { hookFunctionOf, hookProblems } from './hook-name.ts';
export { contentOfMerge, MalformedHookResult } from './hooked-content.ts';
