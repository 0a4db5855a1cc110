/** The log engine. Apart, since nearly no node has it: it is loaded by who opens it. */
export { LOG_TUNING, type LogTuning } from './log-limits.ts';
export type { LogDamage } from './log-scan.ts';
export { type LogEngineOptions, openLogEngine } from './open-log-engine.ts';
