/**
 * What is there in every sandbox before a function is: Riak's JavaScript functions by the names that clients know, and
 * the drivers that apply a function to its input. It runs in the sandbox, never in the node: here it is text.
 *
 * A driver answers with one string. Its first letter says what follows: `R` results, each as JSON, parted by line
 * breaks; `E` what was thrown, as JSON; `O` nothing, there was too much. What an answer is made with is taken before the
 * function can change it, so that a function which breaks its surroundings breaks only its own result. Who takes the answer
 * does not rely on that (`outcomeOfAnswer`).
 */
export const preludeSource = `(function () {
  'use strict';
  const parse = JSON.parse, stringify = JSON.stringify, isArray = Array.isArray, apply = Reflect.apply;
  const { join } = Array.prototype, { slice } = String.prototype;
  const isMissing = (value) => typeof value === 'object' && value !== null && 'not_found' in value;
  const present = (values) => values.filter((value) => !isMissing(value));
  const dataOf = (value) => (isMissing(value) ? [] : value.values.map((one) => one.data));
  const compareBy = (text) => (typeof text === 'string' ? (0, eval)('(' + text + ')') : undefined);
  const Riak = {
    getClassName: (object) => (object && object.constructor ? object.constructor.name || undefined : undefined),
    filterNotFound: present,
    mapValues: dataOf,
    mapValuesJson: (value) => dataOf(value).map((data) => parse(data)),
    mapByFields: (value, keyData, fields) =>
      Riak.mapValuesJson(value).filter((data) =>
        Object.keys(fields).every((name) => data !== null && typeof data === 'object' && data[name] === fields[name])),
    reduceSum: (values) => [present(values).reduce((sum, value) => sum + value, 0)],
    reduceMin: (values) => {
      const numbers = present(values);
      return numbers.length === 0 ? [] : [numbers.reduce((least, value) => (value < least ? value : least))];
    },
    reduceMax: (values) => {
      const numbers = present(values);
      return numbers.length === 0 ? [] : [numbers.reduce((most, value) => (value > most ? value : most))];
    },
    reduceSort: (values, comparator) => present(values).sort(compareBy(comparator)),
    reduceNumericSort: (values) => present(values).sort((a, b) => a - b),
    // One less than asked for: programs that know of it count on it.
    reduceLimit: (values, count) => values.slice(0, count - 1),
    reduceSlice: (values, range) => (range[1] > values.length ? values : values.slice(range[0], range[1])),
  };
  const Hale = {
    // A hook: only objects whose value is JSON are stored.
    requireJson: (object) => {
      for (const { metadata, data } of object.values) {
        if (metadata['X-Riak-Deleted'] !== undefined) continue;
        try {
          parse(data);
        } catch (error) {
          return { fail: 'the value is not JSON: ' + error.message };
        }
      }
      return object;
    },
  };
  globalThis.Riak = Riak;
  globalThis.Hale = Hale;
  globalThis.ejsLog = () => undefined;

  const tooMuch = {};
  let at = -1;
  let length = 0;
  let lengthMax = 0;
  let texts = [];

  const put = (value) => {
    const text = stringify(value);
    const result = text === undefined ? 'null' : text;
    length += result.length + 1;
    if (length > lengthMax) throw tooMuch;
    texts[texts.length] = result;
  };
  const mustBeArray = (value, what) => {
    if (!isArray(value)) throw new TypeError('a ' + what + ' function must return an array');
    return value;
  };
  const given = (value) => (value === null ? undefined : value);

  const drivers = {
    map(f, { arg, inputs }) {
      for (let i = 0; i < inputs.length; i += 1) {
        at = i;
        const results = mustBeArray(f(inputs[i][0], given(inputs[i][1]), given(arg)), 'map');
        for (let j = 0; j < results.length; j += 1) put(results[j]);
      }
    },
    reduce(f, { arg, batch, made, inputs }) {
      let results = made;
      let i = 0;
      do {
        at = i;
        results = mustBeArray(f(results.concat(inputs.slice(i, i + batch)), given(arg)), 'reduce');
        i += batch;
      } while (i < inputs.length);
      for (let j = 0; j < results.length; j += 1) put(results[j]);
    },
    hook(f, object) {
      put(f(object));
    },
  };

  return function run(driver, f, input, outputMax) {
    lengthMax = outputMax;
    try {
      if (typeof f !== 'function') throw new TypeError('the source is not a function');
      drivers[driver](f, parse(input));
      return 'R' + apply(join, texts, ['\\n']);
    } catch (error) {
      if (error === tooMuch) return 'O';
      const isError = typeof error === 'object' && error !== null;
      const name = isError && typeof error.name === 'string' ? error.name : 'Error';
      const message = isError && 'message' in error ? String(error.message) : String(error);
      const stack = isError && typeof error.stack === 'string' ? error.stack : '';
      const cut = (text, length) => apply(slice, text, [0, length]);
      return 'E' + stringify({ name: cut(name, 256), message: cut(message, 4096), stack: cut(stack, 4096), at });
    }
  };
})()`;

/** The functions that a bucket may name as hooks. */
export const builtInHookNames: ReadonlySet<string> = new Set(['Hale.requireJson']);

/** The functions that a job may name. */
export const builtInNames: ReadonlySet<string> = new Set(
  [
    'filterNotFound',
    'mapValues',
    'mapValuesJson',
    'mapByFields',
    'reduceSum',
    'reduceMin',
    'reduceMax',
    'reduceSort',
    'reduceNumericSort',
    'reduceLimit',
    'reduceSlice',
  ].map((name) => `Riak.${name}`),
);
