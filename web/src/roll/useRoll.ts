import { useEffect, useReducer, useRef, useState, type Dispatch } from 'react';
import { emptyLedger, lastSeq, ledgerReducer, type Ledger, type LedgerAction } from './ledger';
import { openStream, type StreamOptions, type StreamState } from './stream';

// RollSource is a room whose roll may be read, and how to get a token for it.
export interface RollSource {
  room: string;
  token: StreamOptions['token'];
}

export interface Roll {
  ledger: Ledger;
  state: StreamState;
  dispatch: Dispatch<LedgerAction>;
  // The least time that a record seemed to take to come here, in milliseconds;
  // Infinity before any was seen to be written.
  delay: number;
}

// useRoll reads the roll of source for as long as it stays the same object.
export function useRoll(source: RollSource | undefined): Roll {
  const [ledger, dispatch] = useReducer(ledgerReducer, undefined, () => emptyLedger());
  const [state, setState] = useState<StreamState>('off');
  const [delay, setDelay] = useState(Infinity);
  const after = useRef(0);
  after.current = source?.room === ledger.room ? lastSeq(ledger) : 0;

  useEffect(() => {
    if (!source) {
      setState('off');
      return;
    }
    dispatch({ type: 'open', room: source.room });
    return openStream({
      room: source.room,
      after: () => after.current,
      token: source.token,
      onRecords: (records, live) => {
        dispatch({ type: 'read', records, live });
        const took = Date.now() - Date.parse(records.at(-1)?.time ?? '');
        if (live && !Number.isNaN(took)) setDelay((least) => Math.min(least, took));
      },
      onState: setState,
      onLost: () => dispatch({ type: 'restart' }),
    });
  }, [source]);

  return { ledger, state, dispatch, delay };
}
