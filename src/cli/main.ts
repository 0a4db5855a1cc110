#!/usr/bin/env node
/** The `hale` command, and what has to happen before the code of a node is loaded. */
import { staySmallUntilBusy } from './small-until-busy.ts';
import { V8Flags } from './v8-flags.ts';

const flags = new V8Flags();
if (process.argv[2] === 'start') staySmallUntilBusy(flags);
const { runCommand } = await import('./command.ts');
await runCommand(flags);
