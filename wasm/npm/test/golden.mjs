// The golden suite's data, as every language reads it (tests/golden/credit), and what is done with it.

const cells = (csv) => csv.trim().split("\n").map((line) => line.split(","));

/** Applications of a CSV file, as text forms; each table's rows by application id from a file of their own. */
export function applications(csv, tables = {}) {
  const [header, ...rows] = cells(csv);
  const all = rows.map((row) => {
    const values = {};
    header.forEach((name, at) => {
      if (name !== "id" && name !== "as_of") values[name] = row[at];
    });
    return { id: row[header.indexOf("id")], asOf: row[header.indexOf("as_of")], values };
  });
  const byId = new Map(all.map((application) => [application.id, application]));
  for (const [field, text] of Object.entries(tables)) {
    const [names, ...lines] = cells(text);
    for (const line of lines) {
      const given = Object.fromEntries(names.map((name, at) => [name, line[at]]).filter(([name]) => name !== "id"));
      const { values } = byId.get(line[names.indexOf("id")]);
      (values[field] ??= []).push(given);
    }
  }
  return all;
}

/** The recorded digest of a mark, such as `plain 10000`. */
export function recorded(digests, mark) {
  const line = digests.split("\n").find((line) => line.startsWith(`${mark} `));
  if (!line) throw new Error(`no digest is recorded for ${mark}`);
  return line.slice(mark.length + 1);
}

/** What the digest of what would change these applications' decisions is of. */
export function alternatives(scorer, applications) {
  const lines = applications.map((application) => {
    try {
      const found = scorer.alternatives(application).map(({ changes, outcome, score, probabilityPpm }) => {
        const all = changes.map(({ field, value }) => `${field}=${value}`);
        return `${all.join(",")} ${outcome} ${score} ${probabilityPpm}\n`;
      });
      return `${application.id}\n${found.join("")}`;
    } catch (error) {
      if (!error.code) throw error;
      return `${error.code}\n`;
    }
  });
  return new TextEncoder().encode(lines.join(""));
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
