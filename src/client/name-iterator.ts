import { textOfBytes } from '../stdx/index.ts';
import { taken } from './query/index-query.ts';
import type { NameCursor } from './transport.ts';

/** Names one by one. The cursor opens at the first and is closed at the last, at `break`, or by an error. */
export async function* namesOf(open: () => NameCursor): AsyncGenerator<string, void, undefined> {
  yield* taken(open(), (names) => names.map((name) => textOfBytes(name)));
}
