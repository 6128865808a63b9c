// What the page learns: nothing but what these events carry.
const form = document.querySelector('fieldscore-form');
const told = document.querySelector('#told');

form.addEventListener('decision', ({ detail }) => {
  told.textContent = `Decided: ${detail.outcome}, ${detail.score} points`;
});
form.addEventListener('error', ({ detail }) => {
  told.textContent = `${detail.code}: ${detail.text}`;
});
