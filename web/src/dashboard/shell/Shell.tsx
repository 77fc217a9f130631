import { Suspense, useEffect, useRef } from 'react';
import { Link, Redirect, Route, Switch, useLocation } from 'wouter';
import { useHealth } from '../api/health';
import { pages, type Page } from '../pages';
import { useBearer } from '../session/useSession';
import { OutIcon } from '../ui/icons';
import { Empty, Loading } from '../ui/states';
import { Boundary } from './Boundary';

// Shell is the frame of all pages: navigation, the state of the connection, and the
// page that the address names.
export function Shell({ onLeave }: { onLeave: () => void }) {
  const bearer = useBearer();
  const [location] = useLocation();
  const main = useRef<HTMLElement>(null);
  const current = pages.find((page) => under(page, location));

  // Another page begins at its top, and a screen reader hears of it.
  const shown = useRef(current?.path);
  useEffect(() => {
    document.title = current ? `${current.label} · Rollcall` : 'Rollcall dashboard';
    if (shown.current === current?.path) return;
    shown.current = current?.path;
    main.current?.focus({ preventScroll: true });
  }, [current]);

  return (
    <div className="shell">
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <header className="shell-bar">
        <Link href="/" className="brand" aria-label="Rollcall dashboard">
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span>Rollcall</span>
        </Link>
        <nav className="shell-nav" aria-label="Pages">
          {pages.map((page) => (
            <Link key={page.path} href={page.path} aria-current={page === current ? 'page' : undefined} data-testid={`nav-${page.label.toLowerCase()}`}>
              {page.icon}
              <span>{page.label}</span>
            </Link>
          ))}
        </nav>
        <div className="shell-foot">
          <Health />
          <span className="shell-who" title={`API key ${bearer.apiKey}, until ${new Date(bearer.expiresAt).toLocaleString()}`}>
            {bearer.name || bearer.apiKey}
            {bearer.room !== '' && <small>room {bearer.room}</small>}
          </span>
          <button type="button" className="button quiet" aria-label="Log out" title="Log out" data-testid="logout" onClick={onLeave}>
            <OutIcon />
          </button>
        </div>
      </header>
      <Banner />
      <main id="main" className="shell-main" ref={main} tabIndex={-1} aria-label={current?.label}>
        <Boundary key={current?.path}>
          <Suspense fallback={<Loading what="the page" />}>
            <Switch>
              <Route path="/">
                <Redirect to={pages[0]?.path ?? '/'} replace />
              </Route>
              {pages.map((page) => (
                <Route key={page.path} path={page.path} nest>
                  <PageView page={page} />
                </Route>
              ))}
              <Route>
                <Empty title="There is nothing here">
                  <Link href="/">Go to the rooms</Link>
                </Empty>
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
    </div>
  );
}

function under(page: Page, location: string): boolean {
  return location === page.path || location.startsWith(`${page.path}/`);
}

function PageView({ page }: { page: Page }) {
  const lacks = page.lacks(useBearer());
  if (lacks !== undefined) return <Empty title={`${page.label} cannot be shown`}>{lacks}</Empty>;
  return <page.view />;
}

const healthText = { none: 'Idle', connecting: 'Connecting', live: 'Live', waiting: 'Reconnecting' } as const;

function Health() {
  const health = useHealth();
  return (
    <span className="chip small" role="status" data-testid="feed-state" data-state={health}>
      <i aria-hidden="true" />
      <span>{healthText[health]}</span>
    </span>
  );
}

function Banner() {
  if (useHealth() !== 'waiting') return null;
  return (
    <div className="shell-banner" role="alert" data-testid="feed-lost">
      The live connection to the server is lost; what you see may be old. Trying again…
    </div>
  );
}
