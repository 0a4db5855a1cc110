/** Whether the numbers of a JSON text are the same after they were parsed and printed: doubles hold fewer than JSON has. */

/** So many digits of a number a double keeps, whichever they are (IEEE 754 binary64). */
const exactDigitsMax = 15;

/** Where a string begins or ends, an escape within one, or what is a number unless it is within one. */
const tokens = /"|\\.|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const numberParts = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** Of a text that is JSON. */
export function hasExactNumbers(text: string): boolean {
  let isWithinString = false;
  for (const [token] of text.matchAll(tokens)) {
    if (token === '"') isWithinString = !isWithinString;
    else if (!isWithinString && !isExact(token)) return false;
  }
  return true;
}

function isExact(number: string): boolean {
  if (number.length <= exactDigitsMax && !/[eE]/.test(number)) return true;
  return decimalOf(number) === decimalOf(String(Number(number)));
}

/** One text for each number, however it was written. Undefined: it is none. */
function decimalOf(number: string): string | undefined {
  const parts = numberParts.exec(number);
  if (parts === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts;
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - significant.length);
  return `${sign}${significant}e${power}`;
}
