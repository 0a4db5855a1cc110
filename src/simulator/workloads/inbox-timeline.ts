/**
 * A messenger's inboxes, as Voxer kept them in Riak: a message is an object of its own, named `<unix second>_<random>`; a
 * user's inbox is a list of such names on pages of JSON, each an object that many senders update. Whoever reads a page
 * with siblings joins them, and writes the join with what it adds: no name is ever taken away, so that the join of any
 * siblings is their union. A page that is full is left, and the next one begun; a head says which page is the last.
 *
 * What a delivery that was acknowledged means: the name is on a page which the head, or the page before, leads to.
 */
import { Buffer } from 'node:buffer';

export interface InboxStore {
  /** Rejects if there is no answer. */
  read(bucket: InboxBucket, key: string): Promise<InboxObject>;
  /** Over what was read. Rejects if it was not acknowledged: then it may have happened. */
  write(bucket: InboxBucket, key: string, value: Buffer, context: Buffer | undefined): Promise<void>;
}

export type InboxBucket = 'messages' | 'pages' | 'heads';
export const inboxBuckets: readonly InboxBucket[] = ['messages', 'pages', 'heads'];

export interface InboxObject {
  /** Of all siblings; none: there is no such object. */
  readonly values: readonly Buffer[];
  readonly context: Buffer | undefined;
}

export interface Timeline {
  /** The names of all messages, the oldest first, each once. */
  readonly names: readonly string[];
  /** Of each page, the first one first. */
  readonly pages: readonly (readonly string[])[];
}

/** `second`: since the Unix epoch. Of ten digits until 2286, so that names sort as their seconds do. */
export function messageName(second: number, random: string): string {
  return `${Math.floor(second)}_${random}`;
}

/** The names of all siblings of a page, in their order. Throws if one is no page. */
export function joinedPage(values: readonly Buffer[]): readonly string[] {
  const names = new Set<string>();
  for (const value of values) for (const name of JSON.parse(value.toString()) as string[]) names.add(name);
  return [...names].sort();
}

/** The number of the last page, as far as siblings of a head know. */
export function joinedHead(values: readonly Buffer[]): number {
  return values.reduce((last, value) => Math.max(last, Number(value.toString())), 0);
}

/** Puts the name into the user's inbox. To do so twice is harmless. */
export async function deliver(store: InboxStore, user: string, name: string, pageMax: number): Promise<void> {
  const head = await store.read('heads', user);
  const last = joinedHead(head.values);
  for (let number = last; ; number += 1) {
    const page = await store.read('pages', pageKey(user, number));
    const names = joinedPage(page.values);
    if (names.length >= pageMax && !names.includes(name)) continue;
    const value = Buffer.from(JSON.stringify([...new Set([...names, name])].sort()));
    await store.write('pages', pageKey(user, number), value, page.context);
    // After the page: a head that leads nowhere would send everybody there.
    if (number > last) await store.write('heads', user, Buffer.from(String(number)), head.context);
    return;
  }
}

/** From the first page to the last, and to those behind it to which a head was not yet written. */
export async function readTimeline(store: InboxStore, user: string): Promise<Timeline> {
  const last = joinedHead((await store.read('heads', user)).values);
  const pages: (readonly string[])[] = [];
  for (let number = 0; ; number += 1) {
    const { values } = await store.read('pages', pageKey(user, number));
    if (values.length === 0 && number > last) break;
    pages.push(joinedPage(values));
  }
  return { names: [...new Set(pages.flat())].sort(), pages };
}

function pageKey(user: string, number: number): string {
  return `${user}_${number}`;
}
