import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { useState } from 'react';
import { Router } from 'wouter';
import { ApiError } from './api/client';
import { BearerContext, useSessionControl } from './session/useSession';
import { Login } from './shell/Login';
import { Shell } from './shell/Shell';

function newQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // A refusal stays one; what did not answer may the next time.
        retry: (failures, error) => !(error instanceof ApiError && error.status < 500) && failures < 2,
        refetchOnWindowFocus: true,
        staleTime: 1000,
      },
    },
  });
}

export function App() {
  const session = useSessionControl();
  const [queries] = useState(newQueryClient);
  switch (session.state.kind) {
    case 'opening':
      return <div className="opening" role="status" aria-label="Opening the dashboard" />;
    case 'out':
      queries.clear(); // the next person may see less
      return <Login session={session} login={session.state.login} notice={session.state.notice} />;
    case 'in':
      return (
        <BearerContext.Provider value={session.state.bearer}>
          <QueryClientProvider client={queries}>
            <Router base="/dashboard">
              <Shell onLeave={session.leave} />
            </Router>
          </QueryClientProvider>
        </BearerContext.Provider>
      );
  }
}
