package client

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

const (
	reliableLabel = "_reliable"
	lossyLabel    = "_lossy"

	// maxDataPacket is what every client and server can take, in bytes.
	maxDataPacket = 64_000
	// maxBuffered is how many bytes wait to be sent before a sender waits, too.
	maxBuffered = 1 << 20
	// drainTimeout is how long the server may take to get what was sent last before
	// leaving, over a connection that works. Who reconnects waits for reconnectDrain.
	drainTimeout   = 5 * time.Second
	reconnectDrain = time.Second
	// keepSent is how many bytes of reliable messages are kept, beyond those that
	// are on their way, to be sent again if the server asks for them.
	keepSent = 1 << 20
)

// DataOptions say to whom data goes, and how.
type DataOptions struct {
	// Topic is for receivers to tell data apart.
	Topic string
	// Lossy sends the data once, without waiting for what was lost before it.
	Lossy bool
	// To are the identities of the receivers; empty means everybody else.
	To []string
}

// PublishData sends data to others in the room, up to about 64 kB. It returns when
// the data is on its way; while the connection is interrupted or much waits to be
// sent, it waits. What is not lossy arrives in order, once, also across a resumed
// connection; of a full reconnect, nothing arrives twice, and what was on its way when
// the connection broke may be lost.
func (p *LocalParticipant) PublishData(ctx context.Context, payload []byte, o DataOptions) error {
	user := &livekit.UserPacket{Payload: payload, DestinationIdentities: o.To}
	if o.Topic != "" {
		user.Topic = &o.Topic
	}
	m := &livekit.DataPacket{DestinationIdentities: o.To, Value: &livekit.DataPacket_User{User: user}}
	if o.Lossy {
		m.Kind = livekit.DataPacket_LOSSY
	}
	return p.room.data.send(ctx, m)
}

// dataPlane sends and receives data packets.
type dataPlane struct {
	room *Room // immutable

	got map[string]uint32 // loop only; the last number of each sender's, by sid

	mu       sync.Mutex
	session  *session                                        // mu guards; nil while there is none
	channel  map[livekit.DataPacket_Kind]*webrtc.DataChannel // mu guards
	opened   int                                             // mu guards; of the channels
	paused   bool                                            // mu guards; the connection is interrupted
	changedc chan struct{}                                   // mu guards; closed when somebody may go on who waited
	closed   bool                                            // mu guards
	seq      uint32                                          // mu guards; of the last reliable packet
	sent     []sentPacket                                    // mu guards; reliable packets, oldest first
	bytes    int                                             // mu guards; of sent
}

type sentPacket struct {
	seq  uint32
	data []byte
}

func newDataPlane(r *Room) *dataPlane {
	return &dataPlane{room: r, got: map[string]uint32{}, changedc: make(chan struct{})}
}

// begin starts anew with a session. Loop only.
func (d *dataPlane) begin(s *session) {
	clear(d.got)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.session, d.opened, d.channel = s, 0, map[livekit.DataPacket_Kind]*webrtc.DataChannel{}
	d.seq, d.sent, d.bytes = 0, nil, 0
}

// pause has what is sent from now on wait until the connection is there again.
func (d *dataPlane) pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paused = true
}

// goOn ends a pause.
func (d *dataPlane) goOn() {
	d.mu.Lock()
	d.paused = false
	d.mu.Unlock()
	d.wake()
}

// open makes the channels to send on. Loop only.
func (d *dataPlane) open(s *session, pc *webrtc.PeerConnection) error {
	no, none := false, uint16(0)
	for kind, init := range map[livekit.DataPacket_Kind]*webrtc.DataChannelInit{
		livekit.DataPacket_RELIABLE: nil,
		livekit.DataPacket_LOSSY:    {Ordered: &no, MaxRetransmits: &none},
	} {
		dc, err := pc.CreateDataChannel(labelOf(kind), init)
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.channel[kind] = dc
		d.mu.Unlock()
		if kind == livekit.DataPacket_RELIABLE {
			s.reliable = dc
		}
		dc.SetBufferedAmountLowThreshold(maxBuffered / 2)
		dc.OnBufferedAmountLow(d.wake)
		dc.OnOpen(func() {
			d.mu.Lock()
			if d.session == s {
				d.opened++
			}
			d.mu.Unlock()
			d.wake()
		})
		dc.OnClose(func() { s.ifItGoesOn(d.broken) })
		d.receive(s, dc)
	}
	return nil
}

// broken joins anew where a channel has ended that nobody wanted to: a resume does
// not bring it back. Loop only.
func (d *dataPlane) broken() {
	d.room.log.Debug("data channel ended")
	d.room.restore(true, livekit.ReconnectReason_RR_PUBLISHER_FAILED)
}

func labelOf(kind livekit.DataPacket_Kind) string {
	if kind == livekit.DataPacket_LOSSY {
		return lossyLabel
	}
	return reliableLabel
}

// wake lets go on who waits for the channels.
func (d *dataPlane) wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changedc)
	d.changedc = make(chan struct{})
}

// close refuses what is to be sent from now on.
func (d *dataPlane) close() {
	d.mu.Lock()
	d.closed, d.session, d.sent = true, nil, nil
	d.mu.Unlock()
	d.wake()
}

// send sends m as soon as that is possible.
func (d *dataPlane) send(ctx context.Context, m *livekit.DataPacket) error {
	for {
		sent, changed, err := d.trySend(m)
		if sent || err != nil {
			return err
		}
		if err := d.room.do(ctx, d.openPublisher); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// openPublisher makes the connection that sends. Loop only.
func (d *dataPlane) openPublisher() error {
	if s := d.room.session; s != nil && d.room.connection == StateConnected {
		return s.openPublisher()
	}
	return nil
}

// trySend sends m, or returns what is closed when it may be worth another try.
func (d *dataPlane) trySend(m *livekit.DataPacket) (sent bool, changed <-chan struct{}, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, nil, ErrNotConnected
	}
	dc := d.channel[m.GetKind()]
	if dc == nil || d.paused || d.opened < len(d.channel) || dc.BufferedAmount() > maxBuffered {
		return false, d.changedc, nil
	}
	reliable := m.GetKind() == livekit.DataPacket_RELIABLE
	if reliable {
		m.Sequence = d.seq + 1
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return false, nil, err
	}
	if len(data) > maxDataPacket {
		return false, nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(data))
	}
	if err := dc.Send(data); err != nil {
		if !reliable {
			return true, nil, nil // lost as it may be
		}
		return false, d.changedc, nil // until the reconnect that must follow
	}
	if reliable {
		d.seq++
		d.sent = append(d.sent, sentPacket{seq: d.seq, data: data})
		d.bytes += len(data)
		d.trim(int(dc.BufferedAmount()))
	}
	return true, nil, nil
}

// drain waits until the server has all reliable data of a session that ends, or
// for the limit.
func (d *dataPlane) drain(s *session, limit time.Duration) {
	timeout := time.After(limit)
	dc := s.reliable
	if dc == nil {
		return
	}
	lowc := make(chan struct{}, 1)
	dc.OnBufferedAmountLow(func() {
		select {
		case lowc <- struct{}{}:
		default:
		}
	})
	dc.SetBufferedAmountLowThreshold(0)
	for dc.BufferedAmount() > 0 {
		select {
		case <-lowc:
		case <-timeout:
			return
		}
	}
}

// trim forgets what the server surely has. The caller holds mu.
func (d *dataPlane) trim(buffered int) {
	n := 0
	for n < len(d.sent) && d.bytes-len(d.sent[n].data) > buffered+keepSent {
		d.bytes -= len(d.sent[n].data)
		n++
	}
	d.sent = slices.Delete(d.sent, 0, n)
}

// resume sends again what the server says it did not get.
func (d *dataPlane) resume(last uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dc := d.channel[livekit.DataPacket_RELIABLE]
	if dc == nil || d.opened < len(d.channel) {
		return
	}
	for _, p := range d.sent {
		if p.seq > last {
			if err := dc.Send(p.data); err != nil {
				d.room.log.Debug("send again", "error", err)
				return
			}
		}
	}
}

// received says what this end got, for the server to send again the rest. Loop only.
func (d *dataPlane) received() []*livekit.DataChannelReceiveState {
	var all []*livekit.DataChannelReceiveState
	for sid, seq := range d.got {
		all = append(all, &livekit.DataChannelReceiveState{PublisherSid: sid, LastSeq: seq})
	}
	return all
}

// channels describes the channels to send on. Loop only.
func (d *dataPlane) channels() []*livekit.DataChannelInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*livekit.DataChannelInfo
	for _, dc := range d.channel {
		if id := dc.ID(); id != nil {
			all = append(all, &livekit.DataChannelInfo{Label: dc.Label(), Id: uint32(*id), Target: livekit.SignalTarget_PUBLISHER})
		}
	}
	return all
}

// forget drops what is known of a sender who is gone. Loop only.
func (d *dataPlane) forget(sid string) { delete(d.got, sid) }

// receive takes what comes on a channel.
func (d *dataPlane) receive(s *session, dc *webrtc.DataChannel) {
	kind := livekit.DataPacket_RELIABLE
	switch dc.Label() {
	case reliableLabel:
	case lossyLabel:
		kind = livekit.DataPacket_LOSSY
	default:
		return
	}
	dc.OnMessage(func(msg webrtc.DataChannelMessage) {
		m := new(livekit.DataPacket)
		if err := proto.Unmarshal(msg.Data, m); err != nil {
			d.room.log.Debug("decode data packet", "error", err)
			return
		}
		s.post(func() { d.handle(kind, m) })
	})
}

// handle acts on a packet. Loop only.
func (d *dataPlane) handle(kind livekit.DataPacket_Kind, m *livekit.DataPacket) {
	r := d.room
	if sid, seq := m.GetParticipantSid(), m.GetSequence(); kind == livekit.DataPacket_RELIABLE && sid != "" && seq != 0 {
		if seq <= d.got[sid] {
			return // sent again after a resume
		}
		d.got[sid] = seq
	}
	from := m.GetParticipantIdentity()
	switch v := m.GetValue().(type) {
	case *livekit.DataPacket_User:
		if from == "" {
			from = v.User.GetParticipantIdentity()
		}
		if from != "" && from == r.local.info.GetIdentity() {
			return
		}
		r.emit(DataReceived{
			Payload: v.User.GetPayload(), Topic: v.User.GetTopic(), Kind: kind, Identity: from, Participant: r.remoteByIdentity(from),
		})
	case *livekit.DataPacket_StreamHeader:
		r.streams.header(from, m.GetParticipantSid(), v.StreamHeader)
	case *livekit.DataPacket_StreamChunk:
		r.streams.chunk(m.GetParticipantSid(), v.StreamChunk)
	case *livekit.DataPacket_StreamTrailer:
		r.streams.trailer(m.GetParticipantSid(), v.StreamTrailer)
	case *livekit.DataPacket_RpcRequest:
		r.rpc.request(from, v.RpcRequest)
	case *livekit.DataPacket_RpcAck:
		r.rpc.acked(from, v.RpcAck)
	case *livekit.DataPacket_RpcResponse:
		r.rpc.responded(from, v.RpcResponse)
	}
}
