/**
 * Owns the open segments, oldest first, and removes those of which no record is left.
 *
 * Only from the front: a segment also says which records of earlier ones were truncated. Whatever part of a
 * removal a crash undoes, the segments that remain say with every frame what the first index is.
 */
import { type Disk, DiskError, type Environment, type Log } from '../environment/index.ts';
import type { Segment } from './segment.ts';
import { pathIn, segmentName } from './segment-header.ts';

export class SegmentRemoval {
  readonly #disk: Disk;
  readonly #log: Log;
  readonly #tasks: Environment['tasks'];
  readonly #directory: string;
  readonly #segments: Segment[];
  /** Names of files that the log does not need once a segment of this life is in use. */
  #leftovers: readonly string[];
  #running: Promise<void> | undefined;

  constructor(
    environment: Pick<Environment, 'disk' | 'log' | 'tasks'>,
    directory: string,
    segments: readonly Segment[],
    leftovers: readonly string[],
  ) {
    this.#disk = environment.disk;
    this.#log = environment.log;
    this.#tasks = environment.tasks;
    this.#directory = directory;
    this.#segments = [...segments];
    this.#leftovers = leftovers;
  }

  /** A segment that is written to. Adding it again changes nothing. */
  add(segment: Segment): void {
    if (this.#segments.at(-1) !== segment) this.#segments.push(segment);
  }

  /** Begins to remove what is dead: before all of `live`, and before the segment in use. */
  start(live: ReadonlySet<Segment>, inUse: Segment | undefined): void {
    if (this.#running !== undefined || inUse === undefined) return;
    let dead = 0;
    while (this.#segments[dead] !== inUse && !live.has(this.#segments[dead]!)) dead += 1;
    const segments = this.#segments.splice(0, dead);
    // The segment in use was begun after them: its header disowns them.
    const leftovers = this.#leftovers;
    if (segments.length === 0 && leftovers.length === 0) return;
    this.#leftovers = [];
    this.#tasks.spawn('removal of log segments', async () => {
      this.#running = this.#remove(segments, leftovers);
      await this.#running;
      this.#running = undefined;
    });
  }

  /** Closes all files, when what is being removed has gone. */
  async close(): Promise<void> {
    await this.#running;
    for (const { file } of this.#segments) await file.close();
  }

  /** What cannot be removed now is, as it is dead, at a later start. */
  async #remove(segments: readonly Segment[], leftovers: readonly string[]): Promise<void> {
    try {
      for (const { file } of segments) await file.close();
      const names = [...leftovers, ...segments.map(({ sequence }) => segmentName(sequence))];
      for (const name of names) await this.#disk.remove(pathIn(this.#directory, name));
      await this.#disk.syncDirectory(this.#directory);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      this.#log.warn('dead segments of the log were not removed', {
        file: cause.path,
        error: cause.message,
      });
    }
  }
}
