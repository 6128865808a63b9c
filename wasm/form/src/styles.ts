import { css } from 'lit';

/** The form's looks. Colours pass WCAG AA on their grounds, and none of them carries a meaning alone. */
export const styles = css`
  :host {
    --ink: #1c2a2e; --soft: #4d5d62; --line: #c9d3d4; --ground: #f5f7f5; --card: #fff; --accent: #0b5d57;
    --accent-soft: #e2efec; --bad: #9b2c1d; --bad-soft: #fbece8; --warn: #7a4d00; --warn-soft: #fdf3dc;
    --radius: 10px; --target: 46px;
    display: block; color: var(--ink); background: var(--ground); color-scheme: light;
    font: 400 1rem/1.5 system-ui, 'Noto Sans', 'Noto Sans Arabic', sans-serif;
  }
  :host([hidden]) { display: none; }
  *, *::before, *::after { box-sizing: border-box; }
  h1, h2, h3, p, ul, ol, dl, dd, fieldset { margin: 0; padding: 0; }
  ul, ol { list-style: none; }
  fieldset { border: 0; min-width: 0; }
  h1 { font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.01em; }
  h2 { font-size: 1.125rem; font-weight: 650; }
  h3 { font-size: 1rem; font-weight: 650; }
  button, input, select { font: inherit; color: inherit; }
  .shell { max-width: 70rem; margin: 0 auto; padding: 1.25rem 1rem 4rem; }
  header { display: flex; align-items: center; justify-content: space-between; gap: 1rem; margin-bottom: 1rem; }
  header .langs { width: auto; min-height: 40px; padding-block: 0.25rem; }
  .cards { display: grid; gap: 1rem; align-items: start; }
  .cards > div { display: grid; gap: 1rem; min-width: 0; grid-template-columns: minmax(0, 1fr); }
  .card { background: var(--card); border: 1px solid #dde4e3; border-radius: calc(var(--radius) + 4px); padding: 1.25rem; }
  .card > * + * { margin-top: 0.875rem; }
  .fields { display: grid; gap: 1.375rem; }
  .field { min-width: 0; }
  label, legend { display: block; font-weight: 600; padding: 0; }
  .mark { font-weight: 400; font-size: 0.875rem; color: var(--soft); }
  .help { color: var(--soft); font-size: 0.9rem; margin-top: 0.125rem; max-width: 38rem; }
  .entry { display: flex; align-items: center; gap: 0.625rem; margin-top: 0.4rem; }
  .entry .unit { color: var(--soft); }
  input:not([type='radio'], [type='checkbox']), select {
    width: 100%; min-height: var(--target); padding: 0.5rem 0.75rem; background: #fff;
    border: 1px solid #7d8c8f; border-radius: var(--radius);
  }
  .number input { max-width: 13rem; font-variant-numeric: tabular-nums; }
  .select select { max-width: 22rem; }
  [aria-invalid='true'] { border: 2px solid var(--bad) !important; }
  :focus-visible { outline: 3px solid #1379c4; outline-offset: 2px; }
  .options { display: flex; flex-wrap: wrap; gap: 0.5rem; margin-top: 0.4rem; }
  .option {
    display: flex; align-items: center; gap: 0.5rem; min-height: var(--target); padding: 0.375rem 0.875rem;
    border: 1px solid #7d8c8f; border-radius: var(--radius); background: #fff; font-weight: 400; cursor: pointer;
  }
  .option:has(:checked) { background: var(--accent-soft); border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
  .option:has(:focus-visible) { outline: 3px solid #1379c4; outline-offset: 2px; }
  .option input:focus-visible { outline: none; }
  input[type='radio'], input[type='checkbox'] { width: 1.2rem; height: 1.2rem; accent-color: var(--accent); flex: none; margin: 0; }
  .check { display: flex; gap: 0.75rem; align-items: flex-start; min-height: var(--target); font-weight: 600; cursor: pointer; }
  .check input { margin-top: 0.2rem; }
  .error { color: var(--bad); font-weight: 600; font-size: 0.925rem; margin-top: 0.375rem; }
  .error:not(:empty)::before { content: '✕ '; }
  .note { color: var(--warn); font-size: 0.925rem; margin-top: 0.375rem; }
  button {
    min-height: var(--target); padding: 0.5rem 1.125rem; border-radius: var(--radius); cursor: pointer;
    border: 1px solid var(--accent); background: #fff; color: var(--accent); font-weight: 600;
  }
  button:hover { background: var(--accent-soft); }
  button.main { background: var(--accent); color: #fff; }
  button.main:hover { background: #08453f; }
  .row { display: flex; flex-wrap: wrap; gap: 0.625rem; align-items: center; }
  .status { color: var(--soft); font-size: 0.9rem; }
  .notices { display: grid; gap: 0.625rem; margin-bottom: 1rem; }
  .notices:empty { margin: 0; }
  .notice { border: 1px solid; border-inline-start-width: 6px; border-radius: var(--radius); padding: 0.75rem 1rem; display: grid; gap: 0.625rem; }
  .notice.info { background: var(--accent-soft); border-color: var(--accent); }
  .notice.warn { background: var(--warn-soft); border-color: #a36a05; }
  .notice.bad { background: var(--bad-soft); border-color: var(--bad); }
  .notice p { max-width: 46rem; }
  .notice code { font-size: 0.85em; color: var(--soft); }
  .summary a { color: var(--bad); }
  .verdict { display: flex; align-items: center; gap: 0.75rem; padding: 0.75rem 0.875rem; border-radius: var(--radius); border: 2px solid; font-size: 1.25rem; font-weight: 650; }
  .verdict svg { flex: none; width: 1.75rem; height: 1.75rem; }
  .verdict.approve { background: #e6f2e8; border-color: #1f6b35; color: #174f27; }
  .verdict.refer { background: var(--warn-soft); border-color: #a36a05; color: #5e3b00; border-style: dashed; }
  .verdict.decline { background: var(--bad-soft); border-color: var(--bad); color: #7d2114; border-style: double; border-width: 4px; }
  .figures { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; }
  .figures dt { color: var(--soft); font-size: 0.9rem; }
  .figures dd { font-size: 1.25rem; font-weight: 650; font-variant-numeric: tabular-nums; }
  .figures .big { font-size: 2.5rem; line-height: 1.1; letter-spacing: -0.02em; }
  .lines { white-space: pre-line; }
  .reasons { list-style: decimal; padding-inline-start: 1.4rem; display: grid; gap: 0.3rem; }
  .bars { display: grid; gap: 0.625rem; }
  .bar { display: grid; grid-template-columns: 1fr auto; gap: 0.125rem 0.75rem; }
  .bar svg { grid-column: 1 / -1; width: 100%; height: 16px; display: block; overflow: visible; }
  [dir='rtl'] .bar svg { transform: scaleX(-1); }
  .bar .points { font-weight: 650; font-variant-numeric: tabular-nums; }
  .up { fill: var(--accent); }
  .axis { stroke: #5d6c70; stroke-width: 1.5; }
  .track { fill: #edf1f0; }
  .flags { display: grid; gap: 0.25rem; color: var(--soft); font-size: 0.925rem; }
  .scroll { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; font-size: 0.925rem; font-variant-numeric: tabular-nums; }
  th, td { text-align: start; padding: 0.5rem 0.75rem 0.5rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
  .trace :is(caption, th, td) { text-align: start; white-space: normal; vertical-align: top; }
  [data-held='false'] { color: var(--soft); }
  td button { min-height: 36px; padding: 0.125rem 0.75rem; }
  .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  .start { min-height: 80vh; display: grid; place-content: center; justify-items: center; gap: 2rem; text-align: center; padding: 1rem; }
  .start h1 { font-size: 2.5rem; }
  .start p { font-size: 1.35rem; max-width: 34rem; color: var(--soft); }
  .start button { font-size: 1.5rem; padding: 1.25rem 3rem; }
  dialog { border: 0; border-radius: 16px; padding: 2rem; max-width: min(30rem, 100vw - 2rem); color: inherit; }
  .card > dialog { margin: auto; }
  dialog::backdrop { background: rgb(10 30 30 / 60%); }
  dialog > * + * { margin-top: 1rem; }
  summary { padding-block: 0.625rem; color: var(--accent); font-weight: 600; cursor: pointer; }
  button.plain { border-color: transparent; text-decoration: underline; }
  .kiosk { --target: 64px; font-size: 1.2rem; max-width: 56rem; }
  .kiosk input[type='radio'], .kiosk input[type='checkbox'] { width: 1.75rem; height: 1.75rem; }
  .kiosk .option { padding-inline: 1.25rem; min-width: 10rem; }
  .kiosk header .langs { min-height: 64px; }
  .one { max-width: 44rem; }
  .below { margin-top: 1rem; }
  @media (min-width: 60rem) {
    .agent .cards { grid-template-columns: minmax(0, 1.25fr) minmax(20rem, 1fr); }
    .agent .beside { position: sticky; top: 1rem; }
    .agent .fields { grid-template-columns: 1fr 1fr; align-items: start; column-gap: 1.5rem; }
    .card { padding: 1.5rem 1.75rem; }
  }
  @media (forced-colors: active) { .up { fill: CanvasText; } .track { fill: Canvas; } .option:has(:checked) { outline: 3px solid Highlight; } }
  @media (prefers-reduced-motion: no-preference) { .verdict { transition: background-color 0.15s; } }
`;
