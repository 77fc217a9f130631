import { describe, expect, it } from 'vitest';
import { emptyLedger, heldRecords, lastSeq, ledgerReducer, rows, shownRecords, type Ledger } from './ledger';
import type { RollRecord } from './record';

function rec(seq: number, roomSeq = seq, roomSid = 'RM_a'): RollRecord {
  return {
    seq,
    roomSeq,
    id: `id-${seq}`,
    name: 'participant_joined',
    time: '2026-11-23T10:00:00.123456Z',
    room: 'demo',
    roomSid,
    participantSid: 'PA_x',
    identity: 'alice',
    trackSid: '',
    synthesized: false,
    body: {},
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => rec(from + i));
const read = (ledger: Ledger, records: RollRecord[], live = false) => ledgerReducer(ledger, { type: 'read', records, live });
const seqs = (ledger: Ledger) => ledger.entries.map((entry) => entry.record.seq);
const kinds = (ledger: Ledger) =>
  rows(ledger).rows.map((row) => {
    if (row.kind === 'record') return row.entry.record.seq;
    return row.kind === 'gap' ? `gap ${row.from}-${row.to}` : row.sid;
  });

describe('the ledger', () => {
  it('holds records in order of seq, however they come', () => {
    const ledger = read(read(emptyLedger(), [rec(5), rec(2)]), [rec(4), rec(1), rec(3)]);
    expect(seqs(ledger)).toEqual([1, 2, 3, 4, 5]);
    expect(lastSeq(ledger)).toBe(5);
  });

  it('holds each seq once, as it was first read', () => {
    let ledger = read(emptyLedger(), [rec(1), rec(2), rec(2)], true);
    ledger = read(ledger, [rec(2), rec(3)]);
    expect(seqs(ledger)).toEqual([1, 2, 3]);
    expect(ledger.entries.map((entry) => entry.live)).toEqual([true, true, false]);
  });

  it('stays the same object when nothing is new', () => {
    const ledger = read(emptyLedger(), range(1, 3));
    expect(read(ledger, [rec(2)])).toBe(ledger);
  });

  it('lets the oldest go, counts them, and does not take them up again', () => {
    let ledger = read(emptyLedger(), range(1, heldRecords + 30));
    expect(ledger.entries.length).toBe(heldRecords);
    expect(ledger.dropped).toBe(30);
    expect(seqs(ledger)[0]).toBe(31);
    ledger = read(ledger, [rec(7)]);
    expect(ledger.entries.length).toBe(heldRecords);
    expect(ledger.dropped).toBe(30);
  });

  it('begins anew for another room, and keeps what it read for the same', () => {
    const first = read(ledgerReducer(emptyLedger(), { type: 'open', room: 'demo' }), range(1, 2));
    expect(ledgerReducer(first, { type: 'open', room: 'demo' })).toBe(first);
    expect(ledgerReducer(first, { type: 'open', room: 'other' }).entries).toEqual([]);
  });
});

it('begins anew where the log did', () => {
  const ledger = ledgerReducer(read(emptyLedger('demo'), range(1, heldRecords + 5)), { type: 'restart' });
  expect(ledger).toEqual(emptyLedger('demo'));
  expect(lastSeq(ledger)).toBe(0);
});

describe('its rows', () => {
  it('show no gap where other rooms wrote in between', () => {
    expect(kinds(read(emptyLedger(), [rec(3, 1), rec(9, 2), rec(10, 3)]))).toEqual(['RM_a', 3, 9, 10]);
  });

  it('mark what is missing of a session, and unmark it when it comes', () => {
    const ledger = read(emptyLedger(), [rec(1), rec(2), rec(5), rec(7)]);
    expect(kinds(ledger)).toEqual(['RM_a', 1, 2, 'gap 3-4', 5, 'gap 6-6', 7]);
    expect(kinds(read(ledger, [rec(3), rec(4), rec(6)]))).toEqual(['RM_a', 1, 2, 3, 4, 5, 6, 7]);
  });

  it('mark a session whose beginning the log no longer has', () => {
    expect(kinds(read(emptyLedger(), [rec(8, 4)]))).toEqual(['RM_a', 'gap 1-3', 8]);
  });

  it('begin each session of the room with a line of its own', () => {
    expect(kinds(read(emptyLedger(), [rec(1, 1), rec(2, 2), rec(6, 1, 'RM_b')]))).toEqual(['RM_a', 1, 2, 'RM_b', 6]);
  });

  it('hide all but the newest until the reader asks, and call that no gap', () => {
    let ledger = read(emptyLedger(), range(1, shownRecords + 10));
    expect(rows(ledger).hidden).toBe(10);
    expect(kinds(ledger).slice(0, 2)).toEqual(['RM_a', 11]);
    ledger = ledgerReducer(ledger, { type: 'showEarlier' });
    expect(rows(ledger).hidden).toBe(0);
    expect(kinds(ledger).slice(0, 2)).toEqual(['RM_a', 1]);
  });

  it('call what was let go no gap either', () => {
    let ledger = read(emptyLedger(), range(1, heldRecords + 5));
    while (rows(ledger).hidden > 0) ledger = ledgerReducer(ledger, { type: 'showEarlier' });
    expect(kinds(ledger).slice(0, 2)).toEqual(['RM_a', 6]);
  });
});
