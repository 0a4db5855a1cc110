/** Holds a recorded session with a running node and compares the answers. */
import { Bindings } from './bindings.ts';
import { canonicalBody } from './canonical-body.ts';
import type { HttpExchange } from './http-transcript.ts';
import { type RawResponse, sendRaw } from './raw-http.ts';

export interface Comparison {
  readonly exchange: HttpExchange;
  readonly got: RawResponse;
  /** In words; empty: as recorded. */
  readonly differences: readonly string[];
}

/** Of the message, the connection and the product, not of the API. */
const generalHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'date',
  'keep-alive',
  'server',
  'transfer-encoding',
]);

/** Yields after each exchange. `expected` may put another answer in the place of the recorded one. */
export async function* replayHttp(
  port: number,
  session: readonly HttpExchange[],
  expected: (exchange: HttpExchange) => HttpExchange = (exchange) => exchange,
  host?: string,
): AsyncGenerator<Comparison> {
  const bindings = new Bindings();
  for (const exchange of session) {
    await new Promise((resolve) => setTimeout(resolve, exchange.pauseMs ?? 0));
    const [method, path, ...headers] = exchange.ask.map((text) => bindings.fill(text));
    const { send, version = '1.1' } = exchange;
    const body = send === undefined ? {} : { body: bindings.fill(send) };
    const got = await sendRaw(port, { method: method!, path: path!, headers, version, ...body }, host);
    for (const [name, where] of Object.entries(exchange.learn ?? {})) bindings.bind(name, learnt(got, where));
    yield { exchange, got, differences: differencesOf(expected(exchange), got, bindings) };
  }
}

function learnt({ headers, body }: RawResponse, where: string): string {
  const found = where === 'context' ? /"context":"([^"]+)"/.exec(body)?.[1] : headers.get(where);
  return found?.replace(/^"(.*)"$/, '$1') ?? `(no ${where})`;
}

function differencesOf(expected: HttpExchange, got: RawResponse, bindings: Bindings): string[] {
  const differences: string[] = [];
  const check = (what: string, template: string, value: string): void => {
    if (!bindings.matches(template, value)) differences.push(`${what}: ${template}\n  here: ${value}`);
  };
  if (expected.status !== undefined) check('status', String(expected.status), String(got.status));
  if (expected.headers !== undefined) {
    const names = new Set([...Object.keys(expected.headers), ...got.headers.keys()]);
    for (const name of [...names].filter((n) => !generalHeaders.has(n))) {
      check(name, bindings.fill(expected.headers[name] ?? '(none)'), got.headers.get(name) ?? '(none)');
    }
  }
  if (expected.body !== undefined && expected.body !== null) {
    const contentType = (got.headers.get('content-type') ?? '').toLowerCase();
    const shape = { contentType, ordered: expected.ordered ?? false };
    check('body', canonicalBody(bindings.fill(expected.body), shape), canonicalBody(got.body, shape));
  }
  return differences;
}
