export { type CommitHookParts, CommitHooks, defaultHookSettings, type HookSettings } from './commit-hooks.ts';
export { hookProblems } from './hook-name.ts';
