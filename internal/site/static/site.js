// Search, colours, copying code, and where in the page one is. Without it the site is
// complete but for these.
(() => {
  const root = document.body.dataset.root;
  const html = document.documentElement;

  // Colours: the system's, or the other ones.
  const theme = document.querySelector('.theme');
  const dark = () => (html.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const label = () => theme.setAttribute('aria-label', dark() ? 'Light colours' : 'Dark colours');
  theme.addEventListener('click', () => {
    html.dataset.theme = dark() ? 'light' : 'dark';
    try { localStorage.setItem('rollcall-docs-theme', html.dataset.theme); } catch { /* only for this page */ }
    label();
  });
  label();
  theme.hidden = false;

  // Copying.
  if (navigator.clipboard) {
    for (const block of document.querySelectorAll('.code')) {
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = 'Copy';
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(block.querySelector('code').textContent);
        button.textContent = 'Copied';
        setTimeout(() => { button.textContent = 'Copy'; }, 1500);
      });
      block.append(button);
    }
  }

  // The heading that is being read.
  const marks = new Map([...document.querySelectorAll('.contents a')].map((a) => [decodeURIComponent(a.hash.slice(1)), a]));
  const headings = [...document.querySelectorAll('article h2, article h3')].filter((h) => marks.has(h.id));
  const follow = () => {
    const above = headings.filter((h) => h.getBoundingClientRect().top < 120);
    const now = above.at(-1)?.id;
    for (const [id, a] of marks) a.classList.toggle('here', id === now);
  };
  if (headings.length) {
    let asked = false;
    addEventListener('scroll', () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => { asked = false; follow(); });
    }, { passive: true });
    follow();
  }
  document.querySelector('.side [aria-current]')?.scrollIntoView({ block: 'nearest' });

  // Search: every word has to be there; what begins with it in a title counts most.
  const box = document.querySelector('.search');
  const input = document.getElementById('search');
  const list = document.getElementById('found');
  let sections;
  let chosen = -1;

  const load = () => {
    sections ??= fetch(`${root}_site/search.json`).then((r) => {
      if (!r.ok) throw new Error(`status ${r.status}`);
      return r.json();
    });
    return sections;
  };

  const fold = (text) => text.toLowerCase();
  const escaped = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  function score(section, words) {
    let sum = 0;
    for (const word of words) {
      const begins = new RegExp(`(^|[^\\p{L}\\p{N}])${escaped(word)}`, 'u');
      const [title, heading, text] = [section.t, section.h ?? '', section.x].map(fold);
      let best = 0;
      if (begins.test(heading)) best = 12;
      else if (begins.test(title)) best = section.h ? 4 : 14;
      else if (begins.test(text)) best = 2;
      else if (word.length > 2 && (heading.includes(word) || text.includes(word))) best = 1;
      if (!best) return 0;
      sum += best;
    }
    return sum;
  }

  const element = (tag, text, className) => {
    const e = document.createElement(tag);
    e.textContent = text;
    if (className) e.className = className;
    return e;
  };

  // An excerpt around the first word that is found, with all of them marked.
  function excerpt(text, words) {
    const where = Math.max(0, Math.min(...words.map((w) => fold(text).indexOf(w)).filter((i) => i >= 0), text.length) - 40);
    const from = where ? text.indexOf(' ', where) + 1 : 0;
    const part = text.slice(from, from + 140);
    const p = element('p', from ? '… ' : '');
    for (const piece of part.split(new RegExp(`(${words.map(escaped).join('|')})`, 'i'))) {
      p.append(words.includes(fold(piece)) ? element('mark', piece) : piece);
    }
    return p;
  }

  function show(hits, words) {
    chosen = -1;
    list.replaceChildren(...hits.map(({ section }, i) => {
      const a = document.createElement('a');
      a.href = root + section.p + (section.a ? `#${section.a}` : '');
      a.id = `found-${i}`;
      a.setAttribute('role', 'option');
      a.tabIndex = -1;
      a.append(element('strong', section.h ?? section.t), ...(section.h ? [element('span', section.t)] : []), excerpt(section.x, words));
      a.addEventListener('click', close);
      return a;
    }));
    if (!hits.length) list.append(element('p', 'Nothing is found.', 'none'));
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
  }

  function close() {
    list.hidden = true;
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }

  async function search() {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    if (!words.length) return close();
    let all;
    try {
      all = await load();
    } catch {
      sections = undefined;
      list.replaceChildren(element('p', 'The index cannot be loaded.', 'none'));
      list.hidden = false;
      return undefined;
    }
    if (fold(input.value).split(/\s+/).filter(Boolean).join(' ') !== words.join(' ')) return undefined; // typed on meanwhile
    const hits = all.map((section, place) => ({ section, place, score: score(section, words) })).filter((h) => h.score)
      .sort((a, b) => b.score - a.score || a.place - b.place).slice(0, 12);
    return show(hits, words);
  }

  function choose(step) {
    const options = [...list.querySelectorAll('[role=option]')];
    if (list.hidden || !options.length) return;
    options[chosen]?.removeAttribute('aria-selected');
    chosen = (chosen + step + options.length + (chosen < 0 && step < 0 ? 1 : 0)) % options.length;
    options[chosen].setAttribute('aria-selected', 'true');
    options[chosen].scrollIntoView({ block: 'nearest' });
    input.setAttribute('aria-activedescendant', options[chosen].id);
  }

  input.addEventListener('focus', () => { load().catch(() => { sections = undefined; }); }, { once: true });
  input.addEventListener('input', search);
  input.addEventListener('keydown', (e) => {
    if (e.key === 'ArrowDown') choose(1);
    else if (e.key === 'ArrowUp') choose(-1);
    else if (e.key === 'Enter') (list.querySelector('[aria-selected]') ?? list.querySelector('[role=option]'))?.click();
    else if (e.key === 'Escape') { close(); input.blur(); } else return;
    e.preventDefault();
  });
  document.addEventListener('keydown', (e) => {
    const typing = e.target.closest?.('input, textarea, select, [contenteditable]');
    if (typing || e.altKey || !(e.key === '/' && !e.ctrlKey && !e.metaKey || e.key === 'k' && (e.ctrlKey || e.metaKey))) return;
    e.preventDefault();
    input.focus();
    input.select();
  });
  document.addEventListener('click', (e) => {
    if (!box.contains(e.target)) close();
    const drawer = document.querySelector('.drawer');
    if (drawer.open && !drawer.contains(e.target)) drawer.open = false;
  });
  box.hidden = false;
})();

// A table that is too wide scrolls, by keyboard too.
(() => {
  const wide = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
      else target.removeAttribute('tabindex');
    }
  });
  for (const table of document.querySelectorAll('article table')) wide.observe(table);
})();
