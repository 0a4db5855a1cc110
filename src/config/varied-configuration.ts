import { relations } from './relation.ts';
import { type Configuration, configurationKeys, defaultConfiguration, definitionOf } from './schema.ts';

/**
 * A configuration at the edges of what works: for each key its default or one of its extremes, as `choose`
 * says (given a count, a number below it). Where two choices break a rule between their keys, both keep
 * their defaults. The same choices give the same configuration.
 */
export function variedConfiguration(choose: (count: number) => number): Configuration {
  const standard = defaultConfiguration();
  const values = new Map<string, unknown>(
    configurationKeys.map((key) => {
      const { default: usual, extremes = [] } = definitionOf(key);
      const choices = [usual, ...extremes];
      return [key, choices[choose(choices.length)]];
    }),
  );
  const configuration = () => Object.fromEntries(values) as unknown as Configuration;
  // Each round puts at least one more key back to its default, and the defaults break no rule.
  for (;;) {
    const broken = relations.find((relation) => !relation.holds(configuration()));
    if (broken === undefined) return configuration();
    for (const key of broken.keys) values.set(key, standard[key]);
  }
}
