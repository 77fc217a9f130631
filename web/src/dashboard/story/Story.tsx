import { useQuery } from '@tanstack/react-query';
import { Link, Route, Switch } from 'wouter';
import { api } from '../api/client';
import { BackIcon } from '../ui/icons';
import { Loading, Problem } from '../ui/states';
import { History } from './History';
import type { Session } from './history';
import { SessionStory } from './SessionStory';
import './story.css';
import './bars.css';

// Story is the page of what happened: all sessions, and one of them.
export default function Story() {
  return (
    <Switch>
      <Route path="/">
        <History />
      </Route>
      <Route path="/:sid">{({ sid }) => <One key={sid} sid={sid} />}</Route>
    </Switch>
  );
}

function One({ sid }: { sid: string }) {
  const query = useQuery({
    queryKey: ['session', sid],
    queryFn: ({ signal }) => api<Session>(`/history/${encodeURIComponent(sid)}`, { signal }),
    staleTime: Infinity,
  });
  if (query.isPending) return <Loading what="the session" />;
  if (query.isError) {
    return (
      <>
        <div className="page-head">
          <Link href="/" className="button quiet" aria-label="All sessions" title="All sessions">
            <BackIcon />
          </Link>
          <h1>Story</h1>
        </div>
        <Problem error={query.error} onRetry={() => void query.refetch()} />
      </>
    );
  }
  return <SessionStory session={query.data} />;
}
