// ApiError is a refusal by the server, in its own words.
export class ApiError extends Error {
  override name = 'ApiError';
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

// isRefusal says whether the server will not, now or later: it answers, and asking again
// changes nothing.
export function isRefusal(error: unknown): error is ApiError {
  return error instanceof ApiError && error.status < 500 && error.status !== 408 && error.status !== 429;
}

// Unreachable says that no answer came at all.
export class Unreachable extends Error {
  override name = 'Unreachable';
}

let bearer: string | undefined;
let onExpired: () => void = () => {};

// useToken sets the token that requests carry, and what to do when the server
// does not accept it any more.
export function setBearer(token: string | undefined, expired: () => void): void {
  bearer = token;
  onExpired = expired;
}

export interface Call {
  method?: string;
  body?: unknown;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

// request sends a request and returns its answer, whose status is below 400. It
// throws ApiError or Unreachable.
export async function request(path: string, call: Call = {}): Promise<Response> {
  const headers: Record<string, string> = { ...call.headers };
  if (bearer !== undefined) headers['Authorization'] = `Bearer ${bearer}`;
  if (call.body !== undefined) headers['Content-Type'] = 'application/json';
  const init: RequestInit = { method: call.method ?? 'GET', headers, cache: 'no-store' };
  if (call.body !== undefined) init.body = JSON.stringify(call.body);
  if (call.signal) init.signal = call.signal;
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (err) {
    if (call.signal?.aborted) throw err;
    throw new Unreachable('The server does not answer.', { cause: err });
  }
  if (response.ok) return response;
  const error = await refusal(response);
  if (response.status === 401 && bearer !== undefined && isAboutToken(error)) onExpired();
  throw error;
}

// api is request for answers in JSON; undefined for one without a body.
export async function api<T>(path: string, call: Call = {}): Promise<T> {
  const response = await request(path, call);
  const text = await response.text();
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

// roomService calls a method of livekit.RoomService; fields are in snake case, as
// the service answers.
export function roomService<T>(method: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return api<T>(`/twirp/livekit.RoomService/${method}`, { method: 'POST', body, signal });
}

async function refusal(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const parsed = JSON.parse(text) as { code?: string; message?: string; msg?: string };
    return new ApiError(response.status, parsed.code ?? '', parsed.message ?? parsed.msg ?? `status ${response.status}`);
  } catch {
    return new ApiError(response.status, '', text.trim().slice(0, 300) || `The server answered ${response.status}.`);
  }
}

// The room service answers a missing grant with 401 too, which is no reason to log
// in again: the same token would be refused again.
function isAboutToken(error: ApiError): boolean {
  return !error.message.startsWith('token does not permit this');
}

// messageOf is what to show of an error.
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
