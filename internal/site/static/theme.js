// Runs before the page is drawn, so that it never is in the wrong colours.
(() => {
  let theme;
  try { theme = localStorage.getItem('rollcall-docs-theme'); } catch { /* forbidden: as the system is */ }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
