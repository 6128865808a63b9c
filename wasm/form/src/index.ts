/** Registers `<fieldscore-form>`. */
import { FieldscoreForm } from './element.js';

export { Fault } from './faults.js';
export { FieldscoreForm };
export type { ChangeDetail, DecisionDetail, ErrorDetail, Mode } from './element.js';

if (!customElements.get('fieldscore-form')) customElements.define('fieldscore-form', FieldscoreForm);

declare global {
  interface HTMLElementTagNameMap {
    'fieldscore-form': FieldscoreForm;
  }
}
