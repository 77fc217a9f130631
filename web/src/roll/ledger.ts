import type { RollRecord } from './record';

// How many records are held; older ones are let go, and counted.
export const heldRecords = 1000;
// How many of them are shown before the reader asks for earlier ones, and how
// many each asking adds.
export const shownRecords = 250;

export interface Entry {
  record: RollRecord;
  // It was written while the reader looked on; its row announces itself.
  live: boolean;
}

// Ledger is what has been read of the roll: entries in order of seq, each seq once.
export interface Ledger {
  room: string;
  entries: readonly Entry[];
  // How many of the newest entries are shown.
  shown: number;
  // How many older entries were let go.
  dropped: number;
}

export type LedgerAction =
  | { type: 'open'; room: string }
  | { type: 'read'; records: readonly RollRecord[]; live: boolean }
  | { type: 'restart' }
  | { type: 'showEarlier' };

export function emptyLedger(room = ''): Ledger {
  return { room, entries: [], shown: shownRecords, dropped: 0 };
}

export function ledgerReducer(ledger: Ledger, action: LedgerAction): Ledger {
  switch (action.type) {
    case 'open':
      // The same room again, as after a rejoin: what was read stays.
      return action.room === ledger.room ? ledger : emptyLedger(action.room);
    case 'restart':
      return emptyLedger(ledger.room);
    case 'read':
      return read(ledger, action.records, action.live);
    case 'showEarlier':
      return { ...ledger, shown: Math.min(ledger.shown + shownRecords, heldRecords) };
  }
}

// lastSeq is where to go on reading; 0 is the beginning.
export function lastSeq(ledger: Ledger): number {
  return ledger.entries.at(-1)?.record.seq ?? 0;
}

// read adds records. A stream that reconnects may repeat what was read, or an
// old connection's tail may come late: each seq is held once, in its place. A
// record from before the oldest one held is not taken up again.
function read(ledger: Ledger, records: readonly RollRecord[], live: boolean): Ledger {
  const oldest = ledger.dropped > 0 ? (ledger.entries[0]?.record.seq ?? 0) : 0;
  const seen = new Set(ledger.entries.map((entry) => entry.record.seq));
  const added: Entry[] = [];
  for (const record of records) {
    if (seen.has(record.seq) || record.seq < oldest) continue;
    seen.add(record.seq);
    added.push({ record, live });
  }
  if (added.length === 0) return ledger;
  const entries = [...ledger.entries, ...added];
  entries.sort((a, b) => a.record.seq - b.record.seq);
  const excess = Math.max(0, entries.length - heldRecords);
  return { ...ledger, entries: entries.slice(excess), dropped: ledger.dropped + excess };
}

// Row is one line of the page: a record, the start of a room session, or a
// place where records of a session are missing.
export type Row =
  | { kind: 'record'; key: string; entry: Entry }
  | { kind: 'session'; key: string; sid: string; time: string }
  | { kind: 'gap'; key: string; from: number; to: number };

// rows lays out the shown entries. Within a session roomSeq has no gaps, so a
// jump means records that did not reach us; global seq may jump, since other
// rooms write into the same log. Sessions of one room name do not overlap, but
// nothing here depends on it.
export function rows(ledger: Ledger): { rows: Row[]; hidden: number } {
  const hidden = Math.max(0, ledger.entries.length - ledger.shown);
  const out: Row[] = [];
  const last = new Map<string, number>();
  if (hidden > 0 || ledger.dropped > 0) {
    // The first shown record of a session follows hidden ones: no gap.
    const first = ledger.entries[hidden]?.record;
    if (first) last.set(first.roomSid, first.roomSeq - 1);
  }
  let sid: string | undefined;
  for (const entry of ledger.entries.slice(hidden)) {
    const { record } = entry;
    if (record.roomSid !== sid) {
      sid = record.roomSid;
      out.push({ kind: 'session', key: `s${record.seq}`, sid, time: record.time });
    }
    if (record.roomSeq > 0) {
      const before = last.get(record.roomSid) ?? 0;
      if (record.roomSeq > before + 1) {
        out.push({ kind: 'gap', key: `g${record.seq}`, from: before + 1, to: record.roomSeq - 1 });
      }
      last.set(record.roomSid, Math.max(before, record.roomSeq));
    }
    out.push({ kind: 'record', key: `r${record.seq}`, entry });
  }
  return { rows: out, hidden };
}
