// Timing by rounds: each round measures everything in turn, and the next one starts with another,
// so that whatever else the machine does falls on all of it alike; the median is kept.

/** Calls every work once in each round, in turn. */
export async function rounds(count, works) {
  for (let round = 0; round < count; round++) {
    for (let at = 0; at < works.length; at++) await works[(at + round) % works.length](round);
  }
}

/** The middle one, or the mean of the middle two. */
export function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}
