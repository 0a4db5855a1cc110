/** The JSON bodies of administrative requests: bounded, checked, and turned into what is meant. */
import { Buffer } from 'node:buffer';
import type { StagedChange } from '../../core/index.ts';
import { type Address, type NodeId, nodeIdOf } from '../../environment/index.ts';
import { badRequest } from './admin-failure.ts';
import type { CommitRequest } from './cluster-admin.ts';
import { parsePlanId } from './plan-id.ts';

export const bodyBytesMax = 64 * 1024;
const nameBytesMax = 255;
const survivorsMax = 4096;
/** Where nodes listen to each other unless configured otherwise. */
const clusterPort = 8099;

/** The fields of a body that is a JSON object, each asked for by name; who reads ends with `done`. */
export class ChangeBody {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #known = new Set<string>();

  private constructor(fields: ReadonlyMap<string, unknown>) {
    this.#fields = fields;
  }

  /** Nothing is an empty object. Throws `AdminFailure`. */
  static parse(bytes: Buffer): ChangeBody {
    if (bytes.length === 0) return new ChangeBody(new Map());
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString('utf8'));
    } catch {
      throw badRequest('the body is not JSON');
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw badRequest('the body is not a JSON object');
    }
    return new ChangeBody(new Map(Object.entries(value)));
  }

  /** A misspelt field is an error, not a default. */
  done(): void {
    for (const name of this.#fields.keys()) {
      if (!this.#known.has(name)) throw badRequest(`the body has an unknown field ${JSON.stringify(name)}`);
    }
  }

  node(name: string): NodeId {
    const node = this.optionalNode(name);
    if (node === undefined) throw badRequest(`the body lacks the field ${name}`);
    return node;
  }

  optionalNode(name: string): NodeId | undefined {
    const value = this.#take(name);
    if (value === undefined) return undefined;
    if (!isName(value)) throw badRequest(`${name} must be the name of a node`);
    return nodeIdOf(value);
  }

  /** Empty or null: none. */
  location(name: string): string | undefined {
    const value = this.#take(name);
    if (value === null || value === '') return undefined;
    if (!isName(value)) throw badRequest(`${name} must be a text of up to ${nameBytesMax} bytes`);
    return value;
  }

  address(name: string): Address {
    const value = this.#take(name);
    const address = typeof value === 'string' ? parseSeed(value) : undefined;
    if (address === undefined) throw badRequest(`${name} must be "HOST:PORT"`);
    return address;
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value !== 'boolean') throw badRequest(`${name} must be true or false`);
    return value;
  }

  nodes(name: string): ReadonlySet<NodeId> {
    const value = this.#take(name);
    const isList = Array.isArray(value) && value.length > 0 && value.length <= survivorsMax;
    if (!isList || !value.every(isName)) throw badRequest(`${name} must be a list of names of nodes`);
    return new Set(value.map(nodeIdOf));
  }

  commit(): CommitRequest {
    const isForced = this.flag('force');
    const plan = this.#take('plan');
    const planOf = typeof plan === 'string' ? parsePlanId(plan) : undefined;
    if (plan !== undefined && planOf === undefined) throw badRequest('plan must be "GENERATION.EPOCH"');
    return { planOf, isForced };
  }

  #take(name: string): unknown {
    this.#known.add(name);
    return this.#fields.get(name);
  }
}

function isName(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || /[\p{Cc}\p{Cs}]/u.test(value)) return false;
  return Buffer.byteLength(value, 'utf8') <= nameBytesMax;
}

/** `HOST:PORT`, `[::1]:PORT`, or a host alone. Undefined: neither. */
export function parseSeed(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-f:.]+(?:%\w+)?)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? clusterPort : Number(match[3]);
  return host === undefined || port === 0 || port > 65_535 ? undefined : { host, port };
}

/** What `leave`, `remove`, `replace`, `force-replace` and `location` stage; of `self`, where no node is named. */
export function stagedChangeIn(
  kind: Exclude<StagedChange['kind'], 'join'>,
  body: ChangeBody,
  self: NodeId,
): StagedChange {
  switch (kind) {
    case 'leave':
      return { kind, node: body.optionalNode('node') ?? self };
    case 'remove':
      return { kind, node: body.node('node') };
    case 'replace':
    case 'force-replace':
      return { kind, node: body.node('node'), by: body.node('by') };
    case 'location':
      return { kind, node: body.optionalNode('node') ?? self, location: body.location('location') };
  }
}
