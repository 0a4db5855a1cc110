/** A file system whose size can be changed while it is in use, where this process may mount one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statfsSync } from 'node:fs';

const roomy = '4g';

export class ShrinkingDisk implements Disposable {
  readonly directory: string;

  /** Throws where this user may not mount. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(directory);
    this.#mount(`size=${roomy}`);
  }

  /** From now on it has room for so many bytes more. */
  shrinkTo(freeBytes: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.directory);
    this.#mount(`remount,size=${(blocks - bfree) * bsize + freeBytes}`);
  }

  grow(): void {
    this.#mount(`remount,size=${roomy}`);
  }

  /** When nothing in it is open any more. */
  [Symbol.dispose](): void {
    execFileSync('umount', [this.directory], { stdio: 'pipe' });
  }

  #mount(options: string): void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'hale-test', this.directory], { stdio: 'pipe' });
  }
}
