/* Keys of the desk. An element says in data-keys which keys press it: "e", or "g q" for one after the other. The overview in the
   dialog comes from the server. Nothing happens while somebody writes, with a modifier, or once switched off (WCAG 2.1.4). */
(() => {
  const kept = 'portico-shortcuts';
  const dialog = document.getElementById('shortcuts');
  const box = dialog?.querySelector('[data-shortcuts]');
  if (!dialog || !box) return;
  const recall = () => { try { return localStorage.getItem(kept) !== 'off'; } catch { return true; } };
  box.checked = recall();
  box.addEventListener('change', () => { try { localStorage.setItem(kept, box.checked ? 'on' : 'off'); } catch { /* not kept */ } });

  const writing = (element) => element.closest('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]');
  const shown = (element) => element.getClientRects().length > 0 || element.getAttribute('aria-hidden') === 'true';
  const press = (element) => { if (element.matches('input')) element.focus(); else element.click(); };
  const rows = () => [...document.querySelectorAll('main .ledger tbody th a, main .ledger tbody .ledger__title')]
    .filter((link, place, every) => shown(link) && every.indexOf(link) === place);
  const move = (step) => {
    const links = rows();
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + step, 0), links.length - 1)]?.focus();
  };

  let before = '';
  let timer = 0;
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (writing(event.target) || document.querySelector('dialog[open]')) return;
    if (event.key === '?') { event.preventDefault(); dialog.showModal(); return; }
    if (!box.checked || event.key.length !== 1) return;
    const keys = before ? `${before} ${event.key}` : event.key;
    before = '';
    clearTimeout(timer);
    const found = [...document.querySelectorAll('[data-keys]')].find((element) => element.dataset.keys === keys && shown(element));
    if (found) { event.preventDefault(); press(found); return; }
    if (keys === 'j' || keys === 'k') { event.preventDefault(); move(keys === 'j' ? 1 : -1); return; }
    if (keys === 'g') { before = keys; timer = setTimeout(() => { before = ''; }, 1500); }
  });
})();
