package peer

import (
	"slices"
	"sync"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// DataKind says how data travels.
type DataKind int

const (
	// Reliable data arrives, in order.
	Reliable DataKind = iota
	// Lossy data arrives or does not.
	Lossy
	// DataTrack is lossy data of data tracks, on a channel of its own.
	DataTrack
	kindCount
)

// String implements fmt.Stringer.
func (k DataKind) String() string {
	switch k {
	case Lossy:
		return "lossy"
	case DataTrack:
		return "data track"
	}
	return "reliable"
}

const (
	labelReliable = "_reliable"
	labelLossy    = "_lossy"
	labelTrack    = "_data_track"

	// maxReliableBuffer is what a reader may be behind, on its way out and
	// waiting for the channel to open.
	maxReliableBuffer = 4 << 20
	// maxLossyBuffer is the queue past which lossy data is stale.
	maxLossyBuffer = 128 << 10
	// maxChannels bounds what a client may have open.
	maxChannels = 16
)

// dataOut sends data. It may be used from anywhere.
type dataOut struct {
	mu       sync.Mutex
	to       *association        // immutable
	channels [kindCount]*channel // mu guards; by DataKind, nil until open
	backlog  [][]byte            // mu guards; reliable, until the channel is open
	backlogN int                 // mu guards; bytes in it
	unwanted bool                // mu guards; the client's description has no section for data
	closed   bool                // mu guards
}

// send never waits for the network. The payload may be used again after it.
func (d *dataOut) send(kind DataKind, payload []byte, batch *transport.Batch) error {
	if len(payload) > MaxMessageSize {
		return ErrDataTooLarge
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	dc := d.channels[kind]
	if kind != Reliable {
		if dc == nil {
			return ErrDataDropped
		}
		return d.to.sendData(batch, dc, payload, maxLossyBuffer+len(payload), ErrDataDropped)
	}
	if dc == nil {
		if d.unwanted {
			return ErrNoData
		}
		if d.backlogN+len(payload) > maxReliableBuffer {
			return ErrDataOverflow
		}
		d.backlog = append(d.backlog, append([]byte(nil), payload...))
		d.backlogN += len(payload)
		return nil
	}
	return d.to.sendData(batch, dc, payload, maxReliableBuffer, ErrDataOverflow)
}

// hasData reports whether a description has a section for data.
func hasData(lines []line) bool {
	return slices.ContainsFunc(lines, func(l line) bool { return l.kind == kindData && !l.rejected })
}

// described says whether the client's description has a section for data. To one that
// has none nothing is kept for a channel that it will not have.
func (d *dataOut) described(wanted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unwanted = !wanted; d.unwanted {
		d.backlog, d.backlogN = nil, 0
	}
}

// opened lets data out through dc, first what waited for it.
func (d *dataOut) opened(kind DataKind, dc *channel) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return ErrClosed
	}
	d.channels[kind] = dc
	if kind != Reliable {
		return nil
	}
	backlog := d.backlog
	d.backlog, d.backlogN = nil, 0
	for _, payload := range backlog {
		if err := d.to.sendData(nil, dc, payload, 2*maxReliableBuffer, ErrDataOverflow); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataOut) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.backlog, d.channels = nil, [kindCount]*channel{}
}
