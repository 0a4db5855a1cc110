#!/usr/bin/env node
/** The `hale` command, and what has to happen before the code of a node is loaded. */
import { SmallUntilBusy } from './small-until-busy.ts';

const small = new SmallUntilBusy();
if (process.argv[2] === 'start') small.begin();
const { runCommand } = await import('./command.ts');
await runCommand(small);
