/**
 * How deep brackets go, outside of strings; of text that is no JSON, any number. To be asked before `JSON.parse` of what
 * strangers made: it takes any depth, and whoever walks the value then (`JSON.stringify` does) runs out of stack.
 */
export function jsonNestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x22) inString = !inString;
    else if (inString) {
      if (code === 0x5c) at += 1;
    } else if (code === 0x5b || code === 0x7b) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return deepest;
}
