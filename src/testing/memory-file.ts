const sectorBytes = 512;

/** One file of a memory disk: what programs see, and what a power cut leaves of it. */
export class MemoryFile {
  /** Has room at its end, so that a long log is not copied at each append. */
  #buffer: Uint8Array;
  #length: number;
  #syncedLength: number;
  /** What was synced, once a cut has gone into it; until then it is the beginning of the buffer. */
  #synced: Uint8Array | undefined;

  /** A file with these bytes, all of them durable. They are its own from now on. */
  constructor(bytes: Uint8Array) {
    this.#buffer = bytes;
    this.#length = bytes.length;
    this.#syncedLength = bytes.length;
  }

  /** A view: to be copied before it is given away. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#buffer.length) {
      const longer = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      longer.set(this.bytes);
      this.#buffer = longer;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  truncate(length: number): void {
    if (length < this.#syncedLength) {
      this.#synced ??= this.#buffer.slice(0, this.#syncedLength);
      this.#syncedLength = length;
    }
    this.#length = Math.min(this.#length, length);
  }

  sync(): void {
    this.#synced = undefined;
    this.#syncedLength = this.#length;
  }

  /**
   * The file after a power cut that left the first part `kept` (0 to 1) of what was appended since the last sync. Of a
   * cut that was not synced either all is left or, with 0, nothing, and nothing that came after it without it.
   */
  afterPowerCut(kept: number): MemoryFile {
    if (this.#synced && kept === 0) return new MemoryFile(this.#synced.slice());
    const length = this.#syncedLength + Math.floor((this.#length - this.#syncedLength) * kept);
    return new MemoryFile(this.#buffer.slice(0, length));
  }

  /**
   * As `afterPowerCut`, for a disk that writes out of order: of what is left, each sector of 512 bytes that was not
   * synced has been written, or is zeros still, as `isWritten` draws.
   */
  afterScatteredPowerCut(kept: number, isWritten: () => boolean): MemoryFile {
    const left = this.afterPowerCut(kept);
    const bytes = left.bytes;
    for (let at = this.#syncedLength; at < bytes.length; ) {
      const end = Math.min(bytes.length, at - (at % sectorBytes) + sectorBytes);
      if (!isWritten()) bytes.fill(0, at, end);
      at = end;
    }
    return left;
  }
}
