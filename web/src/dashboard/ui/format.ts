// bitrate formats bits per second.
export function bitrate(bps: number): string {
  return scaled(bps, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
}

// bytes formats a size.
export function bytes(n: number): string {
  return scaled(n, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB']);
}

// count formats a whole number with a space between thousands.
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ' ');
}

// perSecond formats how often something happens.
export function perSecond(n: number): string {
  if (n >= 9.95 || n === 0) return `${count(n)}/s`;
  return `${n.toFixed(n >= 0.1 ? 1 : 2)}/s`;
}

// share formats a part of 1.
export function share(n: number): string {
  if (n === 0) return '0 %';
  const percent = n * 100;
  return `${percent >= 10 ? Math.round(percent) : percent.toFixed(percent >= 0.1 ? 1 : 2)} %`;
}

// duration formats a length of time in milliseconds, in its two largest units.
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min ${pad(s % 60)} s`;
  const h = Math.floor(m / 60);
  if (h < 48) return `${h} h ${pad(m % 60)} min`;
  return `${Math.floor(h / 24)} d ${h % 24} h`;
}

// latency formats a short length of time in milliseconds.
export function latency(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms >= 10_000 ? 0 : 1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

// time is a time of day on this machine.
export function time(at: number | string | Date): string {
  return new Date(at).toLocaleTimeString(undefined, { hour12: false });
}

// dateTime is a date and time on this machine.
export function dateTime(at: number | string | Date): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium', hour12: false });
}

// plural is "1 room" or "7 rooms".
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

function scaled(n: number, step: number, units: readonly string[]): string {
  let unit = 0;
  while (n >= step && unit < units.length - 1) {
    n /= step;
    unit++;
  }
  return `${unit === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(n >= 9.95 ? 1 : 2)} ${units[unit]}`;
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
