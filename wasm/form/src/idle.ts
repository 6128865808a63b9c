/** Watches for a time without a touch or a key. */
const SIGNS = ['pointerdown', 'pointermove', 'keydown', 'input', 'wheel', 'scroll'] as const;

export class Idle {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly onSign = () => this.touch();

  constructor(private readonly seconds: number, private readonly ended: () => void) {
    for (const sign of SIGNS) addEventListener(sign, this.onSign, { passive: true, capture: true });
    this.touch();
  }

  /** Starts the time anew. */
  touch(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.ended();
      this.touch();
    }, this.seconds * 1000);
  }

  stop(): void {
    clearTimeout(this.timer);
    for (const sign of SIGNS) removeEventListener(sign, this.onSign, { capture: true });
  }
}
