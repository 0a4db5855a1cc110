/** Dates of HTTP headers (RFC 9110 §5.6.7), in whole seconds since the Unix epoch. */

const dateLengthMax = 40;
const secondsMax = 253_402_300_799; // 9999-12-31T23:59:59Z, the last second that four digits hold

export function formatHttpDate(seconds: number): string {
  return new Date(Math.min(Math.max(seconds, 0), secondsMax) * 1000).toUTCString();
}

/**
 * Undefined if it is none of the three forms that RFC 9110 asks recipients to accept; such a condition
 * is ignored, as the RFC wants.
 */
export function parseHttpDate(text: string): number | undefined {
  if (text.length > dateLengthMax || !/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(text)) return undefined;
  // asctime carries no zone; the other two forms end in GMT.
  const zoned = text.endsWith('GMT') ? text : `${text} GMT`;
  const milliseconds = Date.parse(zoned);
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}
