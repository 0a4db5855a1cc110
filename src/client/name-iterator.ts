import { textOfBytes } from '../stdx/index.ts';
import type { NameCursor } from './transport.ts';

/** Names one by one. The cursor opens at the first and is closed at the last, at `break`, or by an error. */
export async function* namesOf(open: () => NameCursor): AsyncGenerator<string, void, undefined> {
  const cursor = open();
  try {
    for (let names = await cursor.next(); names !== undefined; names = await cursor.next()) {
      for (const name of names) yield textOfBytes(name);
    }
  } finally {
    await cursor.close();
  }
}
