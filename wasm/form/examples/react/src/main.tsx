import { StrictMode, useState, type DetailedHTMLProps, type HTMLAttributes } from 'react';
import { createRoot } from 'react-dom/client';
import 'fieldscore-form';
import type { DecisionDetail, Mode } from 'fieldscore-form';

declare module 'react' {
  namespace JSX {
    interface IntrinsicElements {
      'fieldscore-form': DetailedHTMLProps<HTMLAttributes<HTMLElement>, HTMLElement> & {
        bundle: string;
        keys: string;
        mode: Mode;
        ondecision?: (event: CustomEvent<DecisionDetail>) => void;
      };
    }
  }
}

const KEY = 'f6b7ea91277035bbea7a6932c3c7bf20d319633997a46b9d3be65ee7aef7397b';

function Application() {
  const [told, setTold] = useState('');
  return (
    <>
      <fieldscore-form
        mode="applicant"
        bundle="/bundle.fsb"
        keys={KEY}
        ondecision={({ detail }) => setTold(`Decided: ${detail.outcome}, ${detail.score} points`)}
      />
      <p id="told" role="status">
        {told}
      </p>
    </>
  );
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Application />
  </StrictMode>,
);
