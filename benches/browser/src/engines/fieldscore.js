// Fieldscore, as its README starts it: from an application's values to a decision.

import { init, openBundle } from "fieldscore";

/** Opens a model: the module and the bundle come at the same time. */
export async function open({ model, key }) {
  const bundle = fetch(`/models/${model}.fsb`).then((response) => response.arrayBuffer());
  await init();
  const scorer = await openBundle(await bundle, [key]);
  return {
    kernels: scorer.info.kernels,
    prepare: (rows) => rows.map((row) => row.application),
    /** Points, and log-odds of the probability. */
    async score(application) {
      const { score, probabilityPpm } = scorer.score(application);
      return { score, probabilityPpm };
    },
    async repeat(applications, calls) {
      let sum = 0;
      for (let call = 0; call < calls; call++) {
        sum += scorer.score(applications[call % applications.length]).score;
      }
      return sum;
    },
  };
}
