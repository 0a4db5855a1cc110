/** The sessions over Protocol Buffers that were observed, and what is expected of a node here. */
import { type AnsweredOtherwise, answeredOtherwise } from './answered-otherwise.ts';
import { observedBitcaskExchanges } from './observed-bitcask-frames.ts';
import { type ObservedExchange, observedExchanges } from './observed-frames.ts';

export interface FrameSession {
  readonly name: string;
  /** As the observed node was called. */
  readonly nodeName: string;
  /** With the answers that are expected here. */
  readonly exchanges: readonly ObservedExchange[];
  readonly otherwise: readonly AnsweredOtherwise[];
  /** Exchanges that were answered in another way → why. */
  readonly reasons: ReadonlyMap<string, string>;
}

const indexQueries: ReadonlyMap<string, ObservedExchange> = new Map(
  observedExchanges.filter(({ name }) => name.startsWith('RpbIndexReq ')).map((one) => [one.name, one]),
);
const crashes = answeredOtherwise.map(({ name, why }) => [name, why] as const);
const indexesEverywhere =
  'the observed backend had no indexes; here each storage engine has them, so this is answered as with LevelDB';

export const frameSessions: readonly FrameSession[] = [
  {
    name: 'LevelDB',
    nodeName: 'riakldb@127.0.0.1',
    exchanges: observedExchanges,
    otherwise: answeredOtherwise,
    reasons: new Map(crashes),
  },
  {
    name: 'Bitcask',
    nodeName: 'riak@127.0.0.1',
    exchanges: observedBitcaskExchanges.map((exchange) => indexQueries.get(exchange.name) ?? exchange),
    otherwise: answeredOtherwise,
    reasons: new Map([
      ...crashes,
      ...[...indexQueries.keys()].map((name) => [name, indexesEverywhere] as const),
    ]),
  },
];
