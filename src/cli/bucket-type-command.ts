/** `hale bucket-type`: what it says is what Riak's tool says, for the scripts that read it. */
import type { BucketTypeView } from '../server/index.ts';
import { adminGet, adminPost } from './admin-request.ts';
import { sayDropped, type Waiting } from './bucket-command.ts';
import { CommandFailure, exitCodes } from './exit-codes.ts';
import { printable, type Terminal } from './terminal.ts';

interface ViewOptions {
  readonly at: string;
  readonly json: boolean;
}

export interface TypeChange {
  readonly action: 'create' | 'update' | 'activate';
  readonly type: string;
  /** `{"props":{…}}` */
  readonly props: string | undefined;
  readonly at: string;
}

export async function listBucketTypes(terminal: Terminal, { at, json }: ViewOptions): Promise<void> {
  const view = await adminGet<{ readonly types: readonly BucketTypeView[] }>(at, 'bucket-types');
  if (json) {
    terminal.out(`${JSON.stringify(view, undefined, 2)}\n`);
    return;
  }
  terminal.out('default (active)\n');
  for (const { name, status } of view.types) {
    terminal.out(`${printable(name)} (${status === 'active' ? 'active' : 'not active'})\n`);
  }
}

export async function showBucketType(
  terminal: Terminal,
  type: string,
  { at, json }: ViewOptions,
): Promise<void> {
  const query = new URLSearchParams({ name: type });
  const view = await adminGet<BucketTypeView>(at, `bucket-types/status?${query.toString()}`);
  terminal.out(json ? `${JSON.stringify(view, undefined, 2)}\n` : statusText(view));
}

function statusText({ name, status, damaged, props }: BucketTypeView): string {
  const is = status === 'active' ? 'is active' : 'has been created and may be activated';
  const lines = Object.entries(props).map(
    ([property, value]) => `${printable(property)}: ${JSON.stringify(value)}\n`,
  );
  const damage = damaged ? 'what was stored of it is damaged: update it with all its properties\n' : '';
  return `${printable(name)} ${is}\n${damage}\n${lines.join('')}`;
}

const doneOf: Readonly<Record<TypeChange['action'], string>> = {
  create: 'created',
  update: 'updated',
  activate: 'has been activated',
};

export async function changeBucketType(
  terminal: Terminal,
  { action, type, props, at }: TypeChange,
): Promise<void> {
  const body = { name: type, ...(props === undefined ? {} : { props: propertiesIn(props) }) };
  await adminPost<unknown>(at, `bucket-types/${action}`, body);
  terminal.out(`${printable(type)} ${doneOf[action]}\n`);
}

export async function dropBucketType(
  terminal: Terminal,
  type: string,
  { at, withObjects, wait }: Waiting & { readonly withObjects: boolean },
): Promise<void> {
  await adminPost<unknown>(at, 'bucket-types/drop', { name: type, with_objects: withObjects });
  await sayDropped(terminal, { type }, { at, wait: wait || !withObjects });
}

function propertiesIn(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CommandFailure(exitCodes.usage, 'PROPS is not JSON');
  }
  const props: unknown =
    typeof value === 'object' && value !== null && 'props' in value ? value.props : undefined;
  if (typeof props !== 'object' || props === null || Array.isArray(props)) {
    throw new CommandFailure(exitCodes.usage, 'PROPS must be of the form {"props":{…}}');
  }
  return props;
}
