/* What a page gains with scripts; every page works without. Nothing here knows a price: the server counts. */
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

const ready = (root) => {
  /* A choice that sorts or filters sends its form at once. */
  all('[data-submit]', root).forEach((control) => {
    control.addEventListener('change', () => control.form.requestSubmit());
  });

  /* What only serves pages without scripts, and what only they do without. */
  all('[data-without-script]', root).forEach((element) => { element.hidden = true; });
  all('[data-with-script]', root).forEach((element) => { element.hidden = false; });

  /* The bar that counts the selected invoices and sums those that can be paid: whole minor units, formatted by the browser in the page's language. */
  all('[data-pick]', root).forEach((form) => {
    const boxes = all('tbody .check', form);
    const every = form.querySelector('[data-all]');
    const bar = form.querySelector('.paybar');
    const recount = () => {
      const chosen = boxes.filter((box) => box.checked);
      const minor = chosen.reduce((sum, box) => sum + Number(box.dataset.minor || 0), 0);
      const sum = form.querySelector('[data-sum]');
      if (sum) {
        const places = Number(form.dataset.exponent);
        sum.textContent = (minor / 10 ** places).toLocaleString(document.documentElement.lang, {
          style: 'currency', currency: form.dataset.currency, minimumFractionDigits: places,
        });
      }
      const count = form.querySelector('[data-count]');
      if (count) count.textContent = String(chosen.length);
      if (every) {
        every.checked = boxes.length > 0 && chosen.length === boxes.length;
        every.indeterminate = chosen.length > 0 && !every.checked;
      }
      if (bar) bar.hidden = chosen.length === 0;
      const pay = form.querySelector('[data-needs-sum]');
      if (pay) pay.disabled = minor === 0;
    };
    every?.addEventListener('change', () => { boxes.forEach((box) => { box.checked = every.checked; }); recount(); });
    boxes.forEach((box) => box.addEventListener('change', recount));
    recount();
  });

  /* Plus and minus beside a number. */
  all('[data-step]', root).forEach((button) => {
    button.addEventListener('click', () => {
      const input = button.parentElement.querySelector('input');
      if (Number(button.dataset.step) > 0) input.stepUp(); else input.stepDown();
      input.dispatchEvent(new Event('change', { bubbles: true }));
    });
  });

  /* A signature drawn with a pointer goes into a hidden field as SVG path data; typing is always there beside it. */
  all('[data-signpad]', root).forEach((pad) => {
    const form = pad.closest('form');
    const svg = pad.querySelector('svg');
    const path = svg.querySelector('path');
    const field = form.querySelector('[name=signature_drawn]');
    let drawing = false;
    const at = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return `${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    };
    const add = (text) => {
      const data = (path.getAttribute('d') || '') + text;
      if (data.length > 19000) return;
      path.setAttribute('d', data);
      field.value = data;
    };
    pad.hidden = false;
    pad.addEventListener('pointerdown', (event) => { drawing = true; pad.setPointerCapture(event.pointerId); add(`M${at(event)}`); });
    pad.addEventListener('pointermove', (event) => { if (drawing) add(`L${at(event)}`); });
    pad.addEventListener('pointerup', () => { drawing = false; });
    form.querySelector('[data-clear]')?.addEventListener('click', () => { path.setAttribute('d', ''); field.value = ''; });
    const choose = () => {
      const typed = form.querySelector('input[name=signature_kind]:checked')?.value === 'typed';
      all('[data-when-drawn]', form).forEach((element) => { element.hidden = typed; });
      all('[data-when-typed]', form).forEach((element) => { element.hidden = !typed; });
    };
    all('input[name=signature_kind]', form).forEach((radio) => radio.addEventListener('change', choose));
    choose();
  });

  /* Copy a reference. */
  all('[data-copy]', root).forEach((button) => {
    button.hidden = !navigator.clipboard;
    button.addEventListener('click', async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.copied;
    });
  });
};

ready(document);
document.addEventListener('htmx:after:swap', (event) => ready(event.detail?.ctx?.target ?? document));

/* Browsers without invoker commands still open dialogs. */
if (!('commandForElement' in HTMLButtonElement.prototype)) {
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[commandfor]');
    if (!button) return;
    const dialog = document.getElementById(button.getAttribute('commandfor'));
    if (button.getAttribute('command') === 'close') dialog.close(); else dialog.showModal();
  });
}

/* A form is sent once: a second click on its way does nothing. */
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.method !== 'post' || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = 'yes';
  all('button[type=submit]', form).forEach((button) => button.setAttribute('aria-busy', 'true'));
  setTimeout(() => { delete form.dataset.sent; all('[aria-busy]', form).forEach((b) => b.removeAttribute('aria-busy')); }, 8000);
});
