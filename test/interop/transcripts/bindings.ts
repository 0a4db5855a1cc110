/**
 * What a node makes up for itself (contexts, tags, generated keys, …) stands in a transcript as a name in
 * braces, such as `{vclock.3}`. The first answer that carries the name says what it is here; from then on
 * it must be just that, in answers, and is sent in its place, in requests.
 */
const patterns: Readonly<Record<string, string>> = {
  vclock: '[A-Za-z0-9+/]+={0,2}',
  context: '[A-Za-z0-9+/]+={0,2}',
  continuation: '[A-Za-z0-9+/_-]+={0,2}',
  tag: '[0-9A-Za-z]{20,22}',
  key: '[0-9A-Za-z]{20,30}',
  boundary: '[0-9A-Za-z]{20,30}',
  date: String.raw`\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`,
  page: String.raw`<html>[^]*</html>\s*`,
};

const placeholder = /\{(vclock|context|continuation|tag|key|boundary|date|page)(?:\.\d+)?\}/g;

export class Bindings {
  readonly #values = new Map<string, string>();

  /** The text with all that is known in its place. */
  fill(text: string): string {
    return text.replaceAll(placeholder, (name) => this.#values.get(name) ?? name);
  }

  bind(name: string, value: string): void {
    this.#values.set(name, value);
  }

  /** Whether `got` is what the template says; if so, learns the names in it that carry a number. */
  matches(template: string, got: string): boolean {
    const names: string[] = [];
    let source = '';
    let at = 0;
    for (const match of template.matchAll(placeholder)) {
      source += escaped(template.slice(at, match.index));
      at = match.index + match[0].length;
      const first = names.indexOf(match[0]);
      if (first >= 0 && match[0].includes('.')) {
        source += `\\${first + 1}`;
        continue;
      }
      names.push(match[0]);
      source += `(${patterns[match[1]!]!})`;
    }
    const found = new RegExp(`^${source}${escaped(template.slice(at))}$`).exec(got);
    if (found === null) return false;
    for (const [i, name] of names.entries()) if (name.includes('.')) this.#values.set(name, found[i + 1]!);
    return true;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
