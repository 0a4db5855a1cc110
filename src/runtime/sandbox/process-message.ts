import type { SandboxCall, SandboxOutcome } from '../../sandbox/index.ts';

export type EngineName = 'isolated-vm' | 'quickjs';

/** To a sandbox process: one at a time. */
export type ProcessRequest = Pick<SandboxCall, 'driver' | 'source' | 'input' | 'limits'>;

export type ProcessMessage =
  | { readonly kind: 'ready'; readonly engine: EngineName }
  /** `isSpoiled`: the process is of no more use. */
  | { readonly kind: 'ended'; readonly outcome: SandboxOutcome; readonly isSpoiled: boolean };

/** A call may last so many times as long as it may run. */
export const wallFactor = 4;
