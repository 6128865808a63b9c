// A decision in React: the bundle is opened once for as long as the component is shown, under
// StrictMode too, which mounts it twice.
import React, { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { openBundle } from "fieldscore";

/** The scorer of the bundle at `url`, or what went wrong. */
function useScorer(url, key) {
  const [state, setState] = useState({});
  useEffect(() => {
    let gone = false;
    let scorer;
    const open = async () => {
      const response = await fetch(url);
      const opened = await openBundle(await response.arrayBuffer(), [key]);
      if (gone) return opened.close();
      scorer = opened;
      setState({ scorer });
    };
    open().catch((error) => gone || setState({ error }));
    return () => {
      gone = true;
      scorer?.close();
    };
  }, [url, key]);
  return state;
}

function Decision({ bundle, bundleKey, application }) {
  const { scorer, error } = useScorer(bundle, bundleKey);
  if (error) return <p role="alert">{error.message}</p>;
  if (!scorer) return <p>One moment …</p>;
  const { score, outcome, reasons } = scorer.explain(application);
  return (
    <>
      <h1 id="outcome">
        {score} points: {outcome} ({scorer.info.kernels})
      </h1>
      <ul>
        {reasons.map(({ code, text }) => (
          <li key={code}>{text("en")}</li>
        ))}
      </ul>
    </>
  );
}

const response = await fetch("/application.json");
const { key, ...application } = await response.json();
createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Decision bundle="/credit.fsb" bundleKey={key} application={application} />
  </StrictMode>,
);
