/** Names that stand many times in one encoding, each written once, in order, and named by its place from then on. */
import type { NodeId } from '../../environment/index.ts';
import { assert, type FieldReader, type FieldWriter } from '../../stdx/index.ts';

export class NodeTableWriter {
  readonly #writer: FieldWriter;
  readonly #places: ReadonlyMap<NodeId, number>;

  constructor(writer: FieldWriter, nodes: ReadonlySet<NodeId>) {
    const sorted = [...nodes].sort();
    this.#writer = writer;
    this.#places = new Map(sorted.map((node, place) => [node, place]));
    writer.list(sorted, (node) => writer.text(node));
  }

  node(node: NodeId): void {
    const place = this.#places.get(node);
    assert(place !== undefined, 'every node that is written stands in the table');
    this.#writer.number(place);
  }
}

export class NodeTableReader {
  readonly #reader: FieldReader;
  readonly #nodes: readonly NodeId[];

  constructor(reader: FieldReader) {
    this.#reader = reader;
    this.#nodes = reader.list(() => reader.text() as NodeId);
    if (this.#nodes.some((node, place) => place > 0 && node <= this.#nodes[place - 1])) reader.fail();
  }

  node(): NodeId {
    const place = this.#reader.number();
    if (place >= this.#nodes.length) this.#reader.fail();
    return this.#nodes[place] ?? ('' as NodeId);
  }
}
