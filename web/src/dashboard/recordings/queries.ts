import { useQuery } from '@tanstack/react-query';
import { api } from '../api/client';
import type { Capabilities, Recording } from './recording';

const refreshMs = 1500;

// egress calls a method of livekit.Egress; fields are in snake case.
export function egress<T>(method: string, body: object, signal?: AbortSignal): Promise<T> {
  return api<T>(`/twirp/livekit.Egress/${method}`, { method: 'POST', body, signal });
}

// useRecordings are all that run, and those of the last day, the newest first.
export function useRecordings() {
  return useQuery({
    queryKey: ['recordings'],
    queryFn: ({ signal }) => egress<{ items: Recording[] }>('ListEgress', {}, signal).then(({ items }) => items.toReversed()),
    refetchInterval: refreshMs,
  });
}

// useRecording is one of them; null: there is none of that id.
export function useRecording(id: string) {
  return useQuery({
    queryKey: ['recordings', id],
    queryFn: ({ signal }) => egress<{ items: Recording[] }>('ListEgress', { egress_id: id }, signal).then(({ items }) => items[0] ?? null),
    refetchInterval: refreshMs,
  });
}

// useLink is an address of a file of a recording that the browser's player can ask;
// the server lets it in for six hours.
export function useLink(id: string, file: number, here: boolean) {
  return useQuery({
    queryKey: ['recordings', id, 'link', file],
    queryFn: ({ signal }) => api<{ url: string }>(`/recordings/${encodeURIComponent(id)}/${file}/link`, { method: 'POST', signal }).then(({ url }) => url),
    enabled: here,
    staleTime: 5 * 60 * 60 * 1000,
    refetchOnWindowFocus: false,
  });
}

// useCapabilities is what can be recorded here.
export function useCapabilities() {
  return useQuery({ queryKey: ['capabilities'], queryFn: ({ signal }) => api<Capabilities>('/capabilities', { signal }) });
}
