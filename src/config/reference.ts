/** The schema as text: the reference, the effective values, and a commented `hale.conf`. */
import { environmentVariableOf } from './environment-variable.ts';
import { type Configuration, type ConfigurationKey, definitionOf, sections } from './schema.ts';
import { type Origin, originText } from './setting.ts';

const lineLengthMax = 100;

/** What one key is, must be, and by which names it goes. */
export function describeKey(key: ConfigurationKey): string {
  const definition = definitionOf(key);
  return [
    key,
    ...wrap(definition.doc, '    '),
    ...wrap(`Must be ${definition.type.rule}.`, '    '),
    `    Default:     ${definition.type.format(definition.default)}`,
    `    Environment: ${environmentVariableOf(key)}`,
    ...(definition.flag === undefined ? [] : [`    Flag:        ${definition.flag.name}`]),
    '',
  ].join('\n');
}

/** The reference of all keys, by section. */
export function describeSchema(): string {
  return sections
    .map(({ title, keys }) => `${title}\n${'='.repeat(title.length)}\n\n${keys.map(describeKey).join('\n')}`)
    .join('\n');
}

/** The canonical text of one value, as an environment variable or `-o` takes it; a secret's is hidden. */
export function formatValue(key: ConfigurationKey, configuration: Configuration): string {
  return isHidden(key, configuration) ? hiddenText : definitionOf(key).type.format(configuration[key]);
}

const hiddenText = '(hidden)';

/** A secret that is set. */
function isHidden(key: ConfigurationKey, configuration: Configuration): boolean {
  return definitionOf(key).isSecret === true && configuration[key] !== definitionOf(key).default;
}

function tomlLine(key: ConfigurationKey, configuration: Configuration): string {
  if (isHidden(key, configuration)) return `# ${key} = ${hiddenText}`;
  const { type } = definitionOf(key);
  const value = configuration[key];
  const text = type.format(value);
  return `${key} = ${type.bare(value) ? text : tomlString(text)}`;
}

function tomlString(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f');
}

/** Every key with its value, as TOML, with where it comes from unless that is the default. */
export function effectiveFile(
  configuration: Configuration,
  origins: ReadonlyMap<ConfigurationKey, Origin>,
): string {
  const lines = sections
    .flatMap(({ keys }) => keys)
    .map((key) => {
      const origin = origins.get(key) ?? { kind: 'default' };
      const line = tomlLine(key, configuration);
      return origin.kind === 'default' ? line : `${line}  # ${originText(origin)}`;
    });
  return `${lines.join('\n')}\n`;
}

/**
 * A `hale.conf` that explains every key. Values that differ from the default are set; the defaults are
 * there as comments, so that a later version's better default is taken up.
 */
export function generateFile(configuration: Configuration): string {
  const blocks = sections.map(({ title, keys }) => {
    const entries = keys.map((key) => {
      const { doc, type, default: standard } = definitionOf(key);
      const isDefault = type.format(configuration[key]) === type.format(standard);
      const comment = [...wrap(doc, '## '), ...wrap(`Must be ${type.rule}.`, '## ')];
      const line = tomlLine(key, configuration);
      return [...comment, `${isDefault ? '# ' : ''}${line}`, ''].join('\n');
    });
    return `#### ${title}\n\n${entries.join('\n')}`;
  });
  const head = '## The configuration of a Hale node. TOML: quote everything but numbers, true and false.\n\n';
  return head + blocks.join('\n');
}

function wrap(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const piece of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + piece.length > lineLengthMax) {
      lines.push(indent + line);
      line = '';
    }
    line = line === '' ? piece : `${line} ${piece}`;
  }
  lines.push(indent + line);
  return lines;
}
