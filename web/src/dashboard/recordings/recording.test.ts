import { describe, expect, it } from 'vitest';
import { isHere, isSound, lengthOf, placeOf, sizeOf, stateOf, whatOf, type FileInfo, type Recording } from './recording';

const file = (location: string, duration = '0', size = '0'): FileInfo => ({
  filename: location.split('/').at(-1) ?? '', location, started_at: '0', ended_at: '0', duration, size,
});

const recording = (more: Partial<Recording>): Recording => ({
  egress_id: 'EG_1', room_id: 'RM_1', room_name: 'den', status: 'EGRESS_ACTIVE', started_at: '0', ended_at: '0', details: '', error: '',
  file_results: [], segment_results: [], stream_results: [], manifest_location: '', backup_storage_used: false, ...more,
});

describe('a recording', () => {
  it('says what it is of', () => {
    expect(whatOf(recording({ participant: { identity: 'ana' } }))).toBe('ana');
    expect(whatOf(recording({ track: { track_id: 'TR_1' } }))).toBe('track TR_1');
    expect(whatOf(recording({ room_composite: { audio_only: true, layout: '' } }))).toBe('the room’s sound');
    expect(whatOf(recording({}))).toBe('the room');
  });
  it('is live until it has ended', () => {
    expect(stateOf(recording({ status: 'EGRESS_ENDING' })).live).toBe(true);
    expect(stateOf(recording({ status: 'EGRESS_FAILED' }))).toEqual({ label: 'failed', tone: 'bad', live: false });
  });
  it('is as long as its longest file, and as large as all', () => {
    const both = recording({ file_results: [file('/a.webm', '1500000000', '10'), file('/b.webm', '2500000000', '20')] });
    expect(lengthOf(both)).toBe(2500);
    expect(sizeOf(both)).toBe(30);
    expect(lengthOf(recording({}))).toBe(0);
  });
  it('lies here or in a store', () => {
    expect(isHere(file('/data/egress/a.ogg'))).toBe(true);
    expect(isHere(file('https://calls.s3.amazonaws.com/a.ogg'))).toBe(false);
    expect(isSound(file('/a.ogg'))).toBe(true);
    expect(placeOf(recording({ file_results: [file('https://calls.s3.amazonaws.com/a.ogg')] }))).toBe('calls.s3.amazonaws.com');
    expect(placeOf(recording({ file_results: [file('/data/a.ogg')] }))).toBe('the server');
    expect(placeOf(recording({}))).toBe('');
  });
});
