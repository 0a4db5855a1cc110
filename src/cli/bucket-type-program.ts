/** The command line of `hale bucket-type`. */
import type { Command } from 'commander';
import type { Terminal } from './terminal.ts';

interface Flags {
  readonly at: string;
  readonly json: boolean;
}

export function addBucketTypeCommands(
  hale: Command,
  terminal: Terminal,
  addressed: (command: Command) => Command,
): void {
  const types = hale.command('bucket-type').description('properties that many buckets share');
  const declare = (declaration: string, description: string) =>
    addressed(types.command(declaration).description(description));
  declare('list', 'show all bucket types, and whether they are active')
    .option('--json', 'as JSON', false)
    .action(async (flags: Flags) => {
      const { listBucketTypes } = await import('./bucket-type-command.ts');
      await listBucketTypes(terminal, flags);
    });
  declare('status <TYPE>', 'show whether a type is active, and its properties')
    .option('--json', 'as JSON', false)
    .action(async (type: string, flags: Flags) => {
      const { showBucketType } = await import('./bucket-type-command.ts');
      await showBucketType(terminal, type, flags);
    });
  for (const [action, description] of [
    ['create', 'make a type that nobody can use before it is activated; PROPS is {"props":{…}}'],
    ['update', 'change properties of an active type; PROPS is {"props":{…}}'],
  ] as const) {
    const argument = action === 'create' ? '[PROPS]' : '<PROPS>';
    declare(`${action} <TYPE> ${argument}`, description).action(
      async (type: string, props: string | undefined, flags: Flags) => {
        const { changeBucketType } = await import('./bucket-type-command.ts');
        await changeBucketType(terminal, { action, type, props, at: flags.at });
      },
    );
  }
  declare('activate <TYPE>', 'let clients use a type').action(async (type: string, { at }: Flags) => {
    const { changeBucketType } = await import('./bucket-type-command.ts');
    await changeBucketType(terminal, { action: 'activate', type, props: undefined, at });
  });
  declare('drop <TYPE>', 'forget a type whose buckets hold no keys')
    .option('--with-objects', 'delete all objects of its buckets first', false)
    .option('--wait', 'return when it has gone', false)
    .action(
      async (type: string, flags: Flags & { readonly withObjects: boolean; readonly wait: boolean }) => {
        const { dropBucketType } = await import('./bucket-type-command.ts');
        await dropBucketType(terminal, type, flags);
      },
    );
}
