import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api } from '../api/client';
import type { Ingress } from './ingress';

const refreshMs = 1500;

function service<T>(method: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return api<T>(`/twirp/livekit.Ingress/${method}`, { method: 'POST', body, signal });
}

export function useIngress() {
  return useQuery({
    queryKey: ['ingress'],
    queryFn: ({ signal }) => service<{ items: Ingress[] }>('ListIngress', {}, signal).then((answer) => answer.items ?? []),
    refetchInterval: refreshMs,
  });
}

// useIngressActions change endpoints; the list is asked for again after each.
export function useIngressActions() {
  const queries = useQueryClient();
  const after = useCallback(
    async <T,>(done: Promise<T>): Promise<T> => {
      const answer = await done;
      await queries.invalidateQueries({ queryKey: ['ingress'] });
      return answer;
    },
    [queries],
  );
  return {
    create: (request: Record<string, unknown>) => after(service<Ingress>('CreateIngress', request)),
    enable: (id: string, enabled: boolean) => after(service<Ingress>('UpdateIngress', { ingress_id: id, enabled })),
    remove: (id: string) => after(service<Ingress>('DeleteIngress', { ingress_id: id })),
  };
}
