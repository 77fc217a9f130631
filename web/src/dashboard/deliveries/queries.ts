import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api } from '../api/client';
import { useBearer } from '../session/useSession';
import type { Attempt, DeadLetter, Endpoint, Explanation, Lane, LogRecord, Recovery } from './endpoint';

// How often what is looked at is asked for again. Statistics of endpoints are
// counters of the server's: there is nothing to subscribe to.
const refreshMs = 1500;

const path = (id: string, below = '') => `/endpoints/${encodeURIComponent(id)}${below}`;

export function useEndpoints() {
  return useQuery({
    queryKey: ['endpoints'],
    queryFn: ({ signal }) => api<{ endpoints: Endpoint[] }>('/endpoints', { signal }).then((answer) => answer.endpoints),
    refetchInterval: refreshMs,
  });
}

export function useEndpoint(id: string) {
  return useQuery({
    queryKey: ['endpoints', id],
    queryFn: ({ signal }) => api<Endpoint>(path(id), { signal }),
    refetchInterval: refreshMs,
  });
}

// shownAttempts is how many attempts are asked for.
export const shownAttempts = 500;

export function useAttempts(id: string) {
  return useQuery({
    queryKey: ['endpoints', id, 'attempts'],
    queryFn: ({ signal }) => api<{ attempts: Attempt[] }>(path(id, `/attempts?limit=${shownAttempts}`), { signal }).then((answer) => answer.attempts),
    refetchInterval: 2 * refreshMs,
  });
}

export function useLanes(id: string) {
  return useQuery({
    queryKey: ['endpoints', id, 'lanes'],
    queryFn: ({ signal }) => api<{ lanes: Lane[] }>(path(id, '/lanes?limit=200'), { signal }).then((answer) => answer.lanes),
    refetchInterval: refreshMs,
  });
}

export function useDeadLetters(id: string) {
  return useQuery({
    queryKey: ['endpoints', id, 'dead'],
    queryFn: ({ signal }) => api<{ deadLetters: DeadLetter[] }>(path(id, '/dead-letters?limit=1000'), { signal }).then((answer) => answer.deadLetters),
    refetchInterval: 2 * refreshMs,
  });
}

// useRecoveries are those of one endpoint, the newest first.
export function useRecoveries(id: string) {
  return useQuery({
    queryKey: ['recoveries'],
    queryFn: ({ signal }) => api<{ recoveries: Recovery[] }>('/recoveries', { signal }).then((answer) => answer.recoveries),
    refetchInterval: refreshMs,
    select: (all) => all.filter((recovery) => recovery.request.endpoint === id).sort((a, b) => Date.parse(b.started) - Date.parse(a.started)),
  });
}

export function useWhy(event: string) {
  return useQuery({
    queryKey: ['why', event],
    queryFn: ({ signal }) => api<Explanation>(`/events/${encodeURIComponent(event)}/why`, { signal }),
    refetchInterval: refreshMs,
  });
}

// useRecord is an event of the log; undefined while it is not read, or for a token
// that may not read it.
export function useRecord(seq: number): LogRecord | undefined {
  const { events } = useBearer();
  return useQuery({
    queryKey: ['event', seq],
    queryFn: ({ signal }) => api<LogRecord>(`/events/${seq}`, { signal }),
    staleTime: 60_000,
    retry: false,
    enabled: events,
  }).data;
}

export interface Actions {
  create: (input: unknown) => Promise<Endpoint>;
  change: (id: string, input: unknown) => Promise<Endpoint>;
  remove: (id: string) => Promise<void>;
  pause: (id: string) => Promise<Endpoint>;
  resume: (id: string) => Promise<Endpoint>;
  rotate: (id: string, overlapSeconds: number) => Promise<Endpoint>;
  test: (id: string) => Promise<Attempt>;
  redeliver: (id: string, seq: number) => Promise<Attempt>;
  redrive: (id: string, seqs: readonly number[]) => Promise<{ redriven: number }>;
  dismiss: (id: string, seqs: readonly number[]) => Promise<{ dismissed: number }>;
  recover: (id: string, input: unknown) => Promise<Recovery>;
  cancel: (recovery: string) => Promise<Recovery>;
}

// useActions are what can be done; whatever was done, all is read again.
export function useActions(): Actions {
  const queries = useQueryClient();
  const call = useCallback(
    async <T>(method: string, to: string, body?: unknown): Promise<T> => {
      try {
        return await api<T>(to, body === undefined ? { method } : { method, body });
      } finally {
        for (const queryKey of [['endpoints'], ['why'], ['recoveries']]) void queries.invalidateQueries({ queryKey });
      }
    },
    [queries],
  );
  return {
    create: (input) => call('POST', '/endpoints', input),
    change: (id, input) => call('PATCH', path(id), input),
    remove: (id) => call('DELETE', path(id)),
    pause: (id) => call('POST', path(id, '/pause')),
    resume: (id) => call('POST', path(id, '/resume')),
    rotate: (id, overlapSeconds) => call('POST', path(id, '/rotate'), { overlapSeconds }),
    test: (id) => call('POST', path(id, '/test')),
    redeliver: (id, seq) => call('POST', path(id, '/redeliver'), { seq }),
    redrive: (id, seqs) => call('POST', path(id, '/redrive'), seqs.length === 0 ? { all: true } : { seqs }),
    dismiss: (id, seqs) => call('DELETE', path(id, `/dead-letters?${seqs.length === 0 ? 'all=true' : seqs.map((seq) => `seq=${seq}`).join('&')}`)),
    recover: (id, input) => call('POST', path(id, '/recover'), input),
    cancel: (recovery) => call('DELETE', `/recoveries/${encodeURIComponent(recovery)}`),
  };
}
