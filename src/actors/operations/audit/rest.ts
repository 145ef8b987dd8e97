/** Whether somebody with nothing to do looks no more by the clock: whatever could change that has to stir. */
export class Rest {
  #isOn = false;

  begin(): void {
    this.#isOn = true;
  }

  /** Something may have changed. True when somebody rests, once for each rest: then it has to be told. */
  stir(): boolean {
    const wasOn = this.#isOn;
    this.#isOn = false;
    return wasOn;
  }
}
