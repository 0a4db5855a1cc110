/** Thrown out of background work that is stopped in its midst. */
export class Stopped extends Error {}
