/** The command line of `hale bucket`. */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

export function addBucketCommands(
  hale: Command,
  terminal: Terminal,
  addressed: (command: Command) => Command,
): void {
  const buckets = hale.command('bucket').description('whole buckets');
  addressed(
    buckets.command('drop <BUCKET>').description('delete all objects of a bucket, and its properties'),
  )
    .option('--type <TYPE>', 'the bucket type', 'default')
    .option('--wait', 'return when it has gone', false)
    .action(
      async (
        bucket: string,
        flags: { readonly at: string; readonly type: string; readonly wait: boolean },
      ) => {
        const { dropBucket } = await import('./bucket-command.ts');
        await dropBucket(terminal, bucket, flags);
      },
    );
  addressed(buckets.command('count <BUCKET>').description('show how many keys a bucket has'))
    .option('--type <TYPE>', 'the bucket type', 'default')
    .option('--about', 'an estimate from a part of the ring, with its error in 19 of 20 cases', false)
    .action(
      async (
        bucket: string,
        flags: { readonly at: string; readonly type: string; readonly about: boolean },
      ) => {
        const { countBucket } = await import('./bucket-command.ts');
        await countBucket(terminal, bucket, flags);
      },
    );
  addressed(buckets.command('drops').description('show what is being dropped'))
    .option('--json', 'as JSON', false)
    .action(async (flags: { readonly at: string; readonly json: boolean }) => {
      const { listDrops } = await import('./bucket-command.ts');
      await listDrops(terminal, flags);
    });
}
