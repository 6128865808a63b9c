// The golden suite's data, as every language reads it (tests/golden/credit), and what is done with it.

/** Applications of a CSV file, as text forms. */
export function applications(csv) {
  const [header, ...rows] = csv.trim().split("\n").map((line) => line.split(","));
  return rows.map((row) => {
    const values = {};
    header.forEach((name, at) => {
      if (name !== "id" && name !== "as_of") values[name] = row[at];
    });
    return { id: row[header.indexOf("id")], asOf: row[header.indexOf("as_of")], values };
  });
}

/** The recorded digest of a mark, such as `plain 10000`. */
export function recorded(digests, mark) {
  const line = digests.split("\n").find((line) => line.startsWith(`${mark} `));
  if (!line) throw new Error(`no digest is recorded for ${mark}`);
  return line.slice(mark.length + 1);
}

/** The counts that a digest of this kind is recorded for, such as [100, 1000] for `plain`. */
export const marks = (digests, kind) =>
  digests.split("\n").filter((line) => line.startsWith(`${kind} `)).map((line) => Number(line.split(" ")[1]));

/** What the digest of these applications' decisions is of: records, and errors by their code. */
export function decided(decide, applications) {
  const parts = applications.map((application) => {
    try {
      return decide(application).record;
    } catch (error) {
      if (!error.code) throw error;
      return new TextEncoder().encode(error.code);
    }
  });
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
