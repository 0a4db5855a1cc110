/**
 * Bucket properties as RpbBucketProps and back.
 *
 * Old clients fail on fields that they do not know, so fields younger than Riak 2.0 are sent only when the
 * property is not at its default. Properties without a field (`dvv_enabled`, `durability`, …) cannot be
 * seen or set here.
 */
import {
  type BucketProperties,
  type BucketPropertyChanges,
  type CommitHook,
  type JsonValue,
  type ModFun,
  type PropertyProblem,
  parsePropertyChanges,
  type QuorumValue,
  quorumToJson,
  type SyncOnWrite,
} from '../../kv/index.ts';
import { type ByteString, bytesOfText, textOfBytes } from '../../stdx/index.ts';
import {
  type Encodable,
  type MessageOf,
  replMode,
  type rpbBucketProps,
  type rpbCommitHook,
  type rpbModFun,
  syncOnWrite,
} from '../../wire/index.ts';

type Props = MessageOf<typeof rpbBucketProps>;

export function propsOfProperties(properties: BucketProperties): Encodable<Props> {
  const { custom } = properties;
  const text = (name: string): ByteString | undefined => {
    const value = custom.get(name);
    return typeof value === 'string' ? bytesOfText(value) : undefined;
  };
  const flag = (name: string): boolean | undefined => {
    const value = custom.get(name);
    return typeof value === 'boolean' ? value : undefined;
  };
  const precision = custom.get('hll_precision');
  return {
    n_val: properties.n_val,
    allow_mult: properties.allow_mult,
    last_write_wins: properties.last_write_wins,
    precommit: properties.precommit.map(encodeHook),
    has_precommit: true,
    postcommit: properties.postcommit.map(encodeHook),
    has_postcommit: true,
    chash_keyfun: encodeModFun(properties.chash_keyfun),
    linkfun: encodeModFun(properties.linkfun),
    old_vclock: properties.old_vclock,
    young_vclock: properties.young_vclock,
    big_vclock: properties.big_vclock,
    small_vclock: properties.small_vclock,
    pr: properties.pr,
    r: properties.r,
    w: properties.w,
    pw: properties.pw,
    dw: properties.dw,
    rw: properties.rw,
    basic_quorum: properties.basic_quorum,
    notfound_ok: properties.notfound_ok,
    backend: text('backend'),
    search: flag('search'),
    repl: replModeOf(custom.get('repl')),
    search_index: text('search_index'),
    datatype: text('datatype'),
    consistent: flag('consistent'),
    write_once: properties.write_once ? true : undefined,
    hll_precision: typeof precision === 'number' ? precision : undefined,
    node_confirms: properties.node_confirms === 0 ? undefined : properties.node_confirms,
    sync_on_write: properties.sync_on_write === 'backend' ? undefined : syncOnWrite[properties.sync_on_write],
    aae_tree_exclude: flag('aae_tree_exclude'),
    feed: properties.feed ? true : undefined,
  };
}

/** Only what is present changes. Values are checked by the rules that the JSON of the other API goes through. */
export function changesOfProps(
  props: Props,
): { readonly changes: BucketPropertyChanges } | { readonly problems: readonly PropertyProblem[] } {
  const given: readonly (readonly [string, JsonValue | undefined])[] = [
    ['n_val', props.n_val],
    ['allow_mult', props.allow_mult],
    ['last_write_wins', props.last_write_wins],
    // The flag says that the list is meant: an empty one clears the hooks.
    ['precommit', props.has_precommit === true ? props.precommit.map(hookToJson) : undefined],
    ['postcommit', props.has_postcommit === true ? props.postcommit.map(hookToJson) : undefined],
    ['chash_keyfun', modFunToJson(props.chash_keyfun)],
    ['linkfun', modFunToJson(props.linkfun)],
    ['old_vclock', props.old_vclock],
    ['young_vclock', props.young_vclock],
    ['big_vclock', props.big_vclock],
    ['small_vclock', props.small_vclock],
    ['pr', quorum(props.pr)],
    ['r', quorum(props.r)],
    ['w', quorum(props.w)],
    ['pw', quorum(props.pw)],
    ['dw', quorum(props.dw)],
    ['rw', quorum(props.rw)],
    ['basic_quorum', props.basic_quorum],
    ['notfound_ok', props.notfound_ok],
    ['backend', text(props.backend)],
    ['search', props.search],
    ['repl', props.repl === undefined ? undefined : replWord(props.repl)],
    ['search_index', text(props.search_index)],
    ['datatype', text(props.datatype)],
    ['consistent', props.consistent],
    ['write_once', props.write_once],
    ['hll_precision', props.hll_precision],
    ['node_confirms', quorum(props.node_confirms)],
    ['sync_on_write', props.sync_on_write === undefined ? undefined : syncWord(props.sync_on_write)],
    ['aae_tree_exclude', props.aae_tree_exclude],
    ['feed', props.feed],
  ];
  return parsePropertyChanges(
    Object.fromEntries(given.filter((entry): entry is [string, JsonValue] => entry[1] !== undefined)),
  );
}

function encodeModFun({ mod, fun }: ModFun): MessageOf<typeof rpbModFun> {
  return { module: bytesOfText(mod), function: bytesOfText(fun) };
}

function encodeHook(hook: CommitHook): MessageOf<typeof rpbCommitHook> {
  return 'name' in hook ? { name: bytesOfText(hook.name) } : { modfun: encodeModFun(hook) };
}

function modFunToJson(modFun: MessageOf<typeof rpbModFun> | undefined): JsonValue | undefined {
  if (modFun === undefined) return undefined;
  return { mod: textOfBytes(modFun.module), fun: textOfBytes(modFun.function) };
}

function hookToJson(hook: MessageOf<typeof rpbCommitHook>): JsonValue {
  const modFun = modFunToJson(hook.modfun);
  if (modFun !== undefined) return modFun;
  return hook.name === undefined ? null : { name: textOfBytes(hook.name) };
}

function quorum(value: number | undefined): JsonValue | undefined {
  return value === undefined ? undefined : quorumToJson(value as QuorumValue);
}

function text(bytes: ByteString | undefined): string | undefined {
  return bytes === undefined ? undefined : textOfBytes(bytes);
}

/** `repl` is a boolean or a word in JSON. */
function replModeOf(value: JsonValue | undefined): number | undefined {
  if (value === true) return replMode.true;
  if (value === false) return replMode.false;
  if (value === 'realtime') return replMode.realtime;
  return value === 'fullsync' ? replMode.fullsync : undefined;
}

function replWord(mode: number): JsonValue {
  if (mode === replMode.realtime) return 'realtime';
  if (mode === replMode.fullsync) return 'fullsync';
  return mode === replMode.true;
}

/** An unknown number becomes null, which the rule refuses. */
function syncWord(value: number): SyncOnWrite | null {
  if (value === syncOnWrite.backend) return 'backend';
  if (value === syncOnWrite.one) return 'one';
  return value === syncOnWrite.all ? 'all' : null;
}
