/** Polls until the condition holds; throws after the deadline, in milliseconds. */
export async function until(what: string, holds: () => unknown, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`did not come true within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
}
