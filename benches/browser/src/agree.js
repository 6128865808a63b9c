// Whether everybody runs the same model: a wrong file would be measured as well as a right one.

/** How far answers may lie from what is expected, in parts of the answers' spread, root mean square. */
const CLOSE = { f32: 1e-3, int8: 0.2 };

/**
 * Checks the answers to all rows. Ours are to be the very decisions of this project's native build;
 * a peer's are to be those of the float net, and through the bundle's calibration those are to be
 * ours.
 */
export function agree({ model, calibration, rows }, { engine, precision }, answers) {
  const at = `${model} in ${engine} ${precision}`;
  if (engine === "fieldscore") {
    rows.forEach(({ score, probabilityPpm }, row) => {
      const found = answers[row];
      if (found.score !== score || found.probabilityPpm !== probabilityPpm) {
        throw new Error(`${at}, row ${row}: expected ${score} points as natively, not ${found.score}`);
      }
    });
    const expected = rows.map(({ output }) => calibrated(calibration, output));
    const found = answers.map(({ probabilityPpm: ppm }) => Math.log(ppm / (1e6 - ppm)));
    return close(at, expected, found, CLOSE.int8);
  }
  const expected = rows.map(({ output }) => output);
  return close(at, expected, answers.map(({ output }) => output), CLOSE[precision]);
}

function close(at, expected, found, limit) {
  const off = deviation(expected, found);
  // Not a number is not close either.
  if (off <= limit) return off;
  throw new Error(`${at}: expected answers within ${limit} of the float net's, not ${off}`);
}

/** Root mean square difference over the standard deviation of what is expected. */
function deviation(expected, found) {
  const mean = expected.reduce((sum, x) => sum + x, 0) / expected.length;
  const squares = (of) => expected.reduce((sum, x, at) => sum + of(x, at) ** 2, 0);
  return Math.sqrt(squares((x, at) => found[at] - x) / squares((x) => x - mean));
}

/** The net's log-odds after a bundle's calibration: linear between knots, constant outside. */
function calibrated(knots, x) {
  const after = knots.findIndex(([from]) => from > x);
  if (after <= 0) return after ? knots[knots.length - 1][1] : knots[0][1];
  const [[x0, y0], [x1, y1]] = [knots[after - 1], knots[after]];
  return y0 + ((x - x0) * (y1 - y0)) / (x1 - x0);
}
