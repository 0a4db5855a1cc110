/**
 * The beginning of a connection between two nodes: who are you, are you meant, do you know the secret.
 *
 * Each end proves that it knows the cluster's secret by an HMAC over the whole hello and challenge, which hold
 * both ends' fresh nonces, names, instances and the cluster's id; a label says which end speaks, so that no proof
 * can be sent back, replayed or used for another pair (the mutual form of challenge and response; ISO/IEC
 * 9798-4, §6.2). The acceptor proves itself first: a dialer tells nothing to an imposter. Without a
 * secret the key is empty, and the exchange only keeps honest strangers apart (C9).
 *
 * What is said afterwards is not bound to the proof: against somebody who can write into the stream, use TLS.
 */
import { Buffer } from 'node:buffer';
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { NodeId } from '../../environment/index.ts';
import { nodeIdOf } from '../../environment/index.ts';
import { assert, type ByteString, bytesOfText, textOfBytes } from '../../stdx/index.ts';
import {
  DecodeError,
  decodeMessage,
  encodeFrame,
  encodeMessage,
  type FrameType,
  type MessageOf,
  peerChallenge,
  peerHello,
  peerMagic,
  peerProof,
  peerPurpose,
  peerRefusal,
} from '../../wire/index.ts';
import { frameWith } from './frame-kind.ts';
import type { TrafficClass } from './messenger.ts';
import { trafficClasses } from './traffic-class.ts';

/** What this build speaks. A peer whose range does not meet it is refused. */
export const protocolVersions = { min: 1, max: 1 } as const;
export const nonceBytes = 32;
/** A hello with capabilities is a few hundred bytes; before the proof nobody may send more. */
export const handshakeFrameBytesMax = 8192;
const capabilitiesMax = 64;
const nameBytesMax = 256;

/** One end, as it presents itself. */
export interface PeerIdentity {
  readonly node: NodeId;
  readonly instance: string;
  readonly clusterId: string;
  readonly generation: number;
  readonly capabilities: ReadonlyMap<string, number>;
}

export type RefusalCode =
  /** No version that both speak. */
  | 'version'
  | 'cluster'
  /** Not a member, or another instance of one. */
  | 'stranger'
  /** Another node answers at the address than the one that was meant. */
  | 'wrong-node'
  | 'secret'
  /** TLS: the certificate is of another name. */
  | 'certificate'
  /** Both ends dialled at once, and the other connection is kept. */
  | 'crossed'
  | 'busy'
  | 'malformed';

export interface Refusal {
  readonly code: RefusalCode;
  readonly reason: string;
}

const refusalCodes: ReadonlySet<string> = new Set<RefusalCode>([
  'version',
  'cluster',
  'stranger',
  'wrong-node',
  'secret',
  'certificate',
  'crossed',
  'busy',
  'malformed',
]);

export interface HelloIntent {
  readonly purpose: 'member' | 'guest';
  readonly traffic: TrafficClass;
  /** Undefined: whoever listens there. */
  readonly to: NodeId | undefined;
}

/** A hello that was read: who wants what. */
export interface Hello extends HelloIntent {
  readonly peer: PeerIdentity;
}

export type Judged<T> =
  | { readonly kind: 'accepted'; readonly value: T }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** The end that connects. */
export class DialerHandshake {
  readonly #secret: Buffer;
  readonly #hello: Buffer;
  #challenge: Buffer | undefined;

  constructor(self: PeerIdentity, secret: Buffer, intent: HelloIntent, nonce: Buffer) {
    assert(nonce.length === nonceBytes, 'a nonce has its length');
    this.#secret = secret;
    this.#hello = encodeMessage(peerHello, {
      magic: peerMagic,
      version_min: protocolVersions.min,
      version_max: protocolVersions.max,
      purpose: peerPurpose[intent.purpose],
      traffic: trafficClasses.indexOf(intent.traffic),
      ...(intent.to === undefined ? {} : { to: bytesOfText(intent.to) }),
      ...identityFields(self, nonce),
    });
  }

  get helloFrame(): Buffer {
    return frameWith(peerHello.code, this.#hello);
  }

  /** Who answers, not proved yet. */
  challenged(body: Buffer): Judged<PeerIdentity> {
    const challenge = read(peerChallenge, body);
    if (challenge === undefined || this.#challenge !== undefined) return malformed('challenge');
    const { version } = challenge;
    if (version < protocolVersions.min || version > protocolVersions.max) {
      return refused('version', `the peer chose version ${version}`);
    }
    const peer = identityOf(challenge);
    if (peer === undefined) return malformed('challenge');
    this.#challenge = Buffer.from(body);
    return { kind: 'accepted', value: peer };
  }

  /** The acceptor's proof, answered by ours. */
  proved(body: Buffer): Judged<Buffer> {
    const proof = read(peerProof, body);
    if (proof === undefined || this.#challenge === undefined) return malformed('proof');
    if (!isProof(proof.mac, this.#secret, 'acceptor', this.#hello, this.#challenge)) {
      return refused('secret', 'the peer does not know our secret');
    }
    const mac = proofOf(this.#secret, 'dialer', this.#hello, this.#challenge);
    return { kind: 'accepted', value: encodeFrame(peerProof, { mac }) };
  }
}

/** The end that listens. */
export class AcceptorHandshake {
  readonly #self: PeerIdentity;
  readonly #secret: Buffer;
  readonly #nonce: Buffer;
  #hello: Buffer | undefined;
  #challenge: Buffer | undefined;

  constructor(self: PeerIdentity, secret: Buffer, nonce: Buffer) {
    assert(nonce.length === nonceBytes, 'a nonce has its length');
    this.#self = self;
    this.#secret = secret;
    this.#nonce = nonce;
  }

  /** Who asks, not proved yet. */
  greeted(body: Buffer): Judged<Hello> {
    const hello = read(peerHello, body);
    if (hello === undefined || hello.magic !== peerMagic || this.#hello !== undefined) {
      return malformed('hello');
    }
    if (hello.version_min > protocolVersions.max || hello.version_max < protocolVersions.min) {
      const theirs = `${hello.version_min} to ${hello.version_max}`;
      const ours = `${protocolVersions.min} to ${protocolVersions.max}`;
      return refused('version', `the dialer speaks versions ${theirs}, ${this.#self.node} ${ours}`);
    }
    const peer = identityOf(hello);
    const traffic = trafficClasses[hello.traffic ?? 0];
    if (peer === undefined || traffic === undefined) return malformed('hello');
    const to = hello.to === undefined ? undefined : nodeIdOf(textOfBytes(hello.to));
    if (to !== undefined && to !== this.#self.node) {
      return refused('wrong-node', `${to} was meant, and this is ${this.#self.node}`);
    }
    const purpose = hello.purpose === peerPurpose.guest ? 'guest' : 'member';
    if (purpose === 'member' && peer.clusterId !== this.#self.clusterId) {
      return refused('cluster', `${peer.node} is of another cluster than ${this.#self.node}`);
    }
    this.#hello = Buffer.from(body);
    return { kind: 'accepted', value: { purpose, traffic, to, peer } };
  }

  /** Challenge and proof, to be sent together. After `greeted` has accepted. */
  challengeFrames(): Buffer {
    assert(this.#hello !== undefined, 'there was a hello');
    const version = protocolVersions.max;
    const fields = identityFields(this.#self, this.#nonce);
    this.#challenge = encodeMessage(peerChallenge, { version, ...fields });
    const mac = proofOf(this.#secret, 'acceptor', this.#hello, this.#challenge);
    return Buffer.concat([frameWith(peerChallenge.code, this.#challenge), encodeFrame(peerProof, { mac })]);
  }

  proved(body: Buffer): Judged<undefined> {
    const proof = read(peerProof, body);
    if (proof === undefined || this.#hello === undefined || this.#challenge === undefined) {
      return malformed('proof');
    }
    if (!isProof(proof.mac, this.#secret, 'dialer', this.#hello, this.#challenge)) {
      return refused('secret', 'the dialer does not know our secret');
    }
    return { kind: 'accepted', value: undefined };
  }
}

export function refusalFrame(refusal: Refusal): Buffer {
  return encodeFrame(peerRefusal, {
    code: bytesOfText(refusal.code),
    reason: bytesOfText(refusal.reason),
  });
}

/** What a peer refused us for; a code of a later version reads as `malformed`, with its words kept. */
export function readRefusal(body: Buffer): Refusal {
  const refusal = read(peerRefusal, body);
  if (refusal === undefined) return { code: 'malformed', reason: 'a refusal that cannot be read' };
  const code = textOfBytes(refusal.code);
  const reason = refusal.reason === undefined ? '' : textOfBytes(refusal.reason).slice(0, nameBytesMax);
  return refusalCodes.has(code) ? { code: code as RefusalCode, reason } : { code: 'malformed', reason };
}

/** TLS: whether one of the certificate's names is the node's name, or the host that its name or address says. */
export function isCertified(
  names: readonly string[],
  node: NodeId,
  addressHost: string | undefined,
): boolean {
  const host = node.slice(node.indexOf('@') + 1);
  return names.some((name) => name === node || name === host || name === addressHost);
}

function refused(code: RefusalCode, reason: string): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: { code, reason } };
}

function malformed(what: string): { kind: 'refused'; refusal: Refusal } {
  return refused('malformed', `not a ${what}`);
}

function identityFields(self: PeerIdentity, nonce: Buffer) {
  const capabilities = [...self.capabilities].map(([name, version]) => ({
    name: bytesOfText(name),
    version,
  }));
  assert(capabilities.length <= capabilitiesMax, 'capabilities are few');
  return {
    cluster: bytesOfText(self.clusterId),
    generation: self.generation,
    node: bytesOfText(self.node),
    instance: bytesOfText(self.instance),
    nonce,
    capabilities,
  };
}

type IdentityFields = Pick<
  MessageOf<typeof peerChallenge>,
  'cluster' | 'generation' | 'node' | 'instance' | 'nonce' | 'capabilities'
>;

function identityOf(fields: IdentityFields): PeerIdentity | undefined {
  const names: readonly ByteString[] = [fields.cluster, fields.node, fields.instance];
  if (names.some((name) => name.length > nameBytesMax) || fields.node.length === 0) return undefined;
  if (fields.nonce.length !== nonceBytes || fields.capabilities.length > capabilitiesMax) return undefined;
  return {
    node: nodeIdOf(textOfBytes(fields.node)),
    instance: textOfBytes(fields.instance),
    clusterId: textOfBytes(fields.cluster),
    generation: fields.generation,
    capabilities: new Map(fields.capabilities.map(({ name, version }) => [textOfBytes(name), version])),
  };
}

function read<T>(type: FrameType<T>, body: Buffer): T | undefined {
  try {
    return decodeMessage(type, body);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function proofOf(secret: Buffer, side: 'dialer' | 'acceptor', hello: Buffer, challenge: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(hello.length);
  lengths.writeUInt32BE(challenge.length, 4);
  const mac = createHmac('sha256', secret);
  return mac.update(`hale peer ${side}`).update(lengths).update(hello).update(challenge).digest();
}

function isProof(
  mac: Buffer,
  secret: Buffer,
  side: 'dialer' | 'acceptor',
  hello: Buffer,
  challenge: Buffer,
): boolean {
  const expected = proofOf(secret, side, hello, challenge);
  return mac.length === expected.length && timingSafeEqual(mac, expected);
}
