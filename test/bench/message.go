package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/livekit/protocol/livekit"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
	"google.golang.org/protobuf/proto"
)

// messaging is one who sends data messages, and subscribers who get all of them.
type messaging struct {
	lossy       bool
	subscribers int
	rate        int // messages a second
}

// messageSize is how much of a message is the application's, in bytes.
const messageSize = 200

// channel is the data channel that the messages go through, as SDKs name it.
func (m messaging) channel() (label string, init *webrtc.DataChannelInit) {
	if m.lossy {
		return "_lossy", &webrtc.DataChannelInit{Ordered: new(bool), MaxRetransmits: new(uint16)}
	}
	return "_reliable", nil
}

// inbox counts what has come to all subscribers, and how long it took.
type inbox struct {
	mu   sync.Mutex
	n    int
	took []time.Duration
	err  error
}

func (i *inbox) take(m webrtc.DataChannelMessage) {
	now := time.Now()
	p := new(livekit.DataPacket)
	err := proto.Unmarshal(m.Data, p)
	sent := p.GetUser().GetPayload()
	if err == nil && len(sent) != messageSize {
		err = fmt.Errorf("a message of %d bytes came", len(sent))
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if err != nil {
		i.err = errors.Join(i.err, err)
		return
	}
	i.n++
	i.took = append(i.took, now.Sub(time.Unix(0, int64(binary.BigEndian.Uint64(sent)))))
}

func (i *inbox) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.n
}

func (i *inbox) reset() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.n, i.took = 0, nil
}

func (m messaging) run(ctx context.Context, b *bench) (o outcome, err error) {
	t, err := b.start(ctx)
	if err != nil {
		return o, err
	}
	defer t.stop()
	c, in := new(call), new(inbox)
	defer c.end()
	out, err := m.begin(ctx, t.url, c, in)
	if err != nil {
		return o, err
	}
	// A lossy message may meet a channel that is not open yet: once all get one, all are.
	if err := poll(ctx, func() (bool, error) {
		before := in.count()
		if err := m.send(out); err != nil {
			return false, err
		}
		err := sleep(ctx, 100*time.Millisecond)
		return in.count() == before+m.subscribers, err
	}); err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	in.reset()
	r0, err := t.read()
	if err != nil {
		return o, err
	}
	sent := 0
	tick := time.NewTicker(time.Second / time.Duration(m.rate))
	defer tick.Stop()
	for end := time.Now().Add(b.window); time.Now().Before(end); sent++ {
		if err := m.send(out); err != nil {
			return o, err
		}
		<-tick.C
	}
	r1, err := t.read()
	if err != nil {
		return o, err
	}
	if err := sleep(ctx, b.scaled(settling)); err != nil {
		return o, err
	}
	for _, p := range c.clients {
		err = errors.Join(err, p.failure())
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if err = errors.Join(err, in.err); err != nil {
		return o, err
	}
	if in.n == 0 {
		return o, errors.New("no messages arrived")
	}
	slices.Sort(in.took)
	due, wall := sent*m.subscribers, r1.at.Sub(r0.at)
	o.noise = r1.machine.since(r0.machine)
	o.add("CPU per message delivered", "µs", microseconds(r1.cpu-r0.cpu)/float64(in.n))
	o.add("messages delivered", "1/s", float64(in.n)/wall.Seconds())
	o.add("message to subscriber, p50", "ms", milliseconds(quantile(in.took, 0.5)))
	o.add("message to subscriber, p99", "ms", milliseconds(quantile(in.took, 0.99)))
	o.add("lost", "%", 100*float64(due-in.n)/float64(due))
	if !m.lossy && in.n != due {
		o.remark("LOSS: %d of %d reliable messages arrived", in.n, due)
	}
	o.judgeLoad(r0, r1)
	return o, nil
}

// begin makes c the call, and returns what to send with once all are connected.
func (m messaging) begin(ctx context.Context, url string, c *call, in *inbox) (out *webrtc.DataChannel, err error) {
	cs, err := newClients(url)
	if err != nil {
		return nil, err
	}
	sender := new(client)
	out, err = m.join(ctx, cs, sender)
	if err != nil {
		return nil, err
	}
	c.clients = append(c.clients, sender)
	label, _ := m.channel()
	_, _, err = c.gather(ctx, m.subscribers, joinRate, func(i int) (*client, error) {
		return cs.join(ctx, "call", fmt.Sprint("subscriber", i), func(s *client) {
			s.sub.OnDataChannel(func(d *webrtc.DataChannel) {
				if d.Label() == label {
					d.OnMessage(in.take)
				}
			})
		})
	})
	return out, err
}

// join brings up the sender, with nothing but data to send.
func (m messaging) join(ctx context.Context, cs *clients, c *client) (out *webrtc.DataChannel, err error) {
	opened := make(chan struct{})
	err = cs.start(ctx, c, "call", "sender", func() error {
		p := &publisher{c: c, connected: make(chan struct{})}
		if err := c.openSubscriber(); err != nil {
			return err
		}
		var err error
		if p.pc, p.socket, err = cs.newConnection(&interceptor.Registry{}); err != nil {
			return err
		}
		onConnected(p.pc, p.connected)
		label, init := m.channel()
		if out, err = p.pc.CreateDataChannel(label, init); err != nil {
			return errors.Join(err, p.pc.Close(), p.socket.Close())
		}
		out.OnOpen(func() { close(opened) })
		c.pub = p
		return nil
	})
	if err == nil {
		err = c.pub.offer()
	}
	if err == nil {
		err = c.await(ctx, opened, "data channel")
	}
	return out, err
}

func (m messaging) send(out *webrtc.DataChannel) error {
	payload := make([]byte, messageSize)
	binary.BigEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
	kind := livekit.DataPacket_RELIABLE
	if m.lossy {
		kind = livekit.DataPacket_LOSSY
	}
	raw, err := proto.Marshal(&livekit.DataPacket{
		Kind:  kind,
		Value: &livekit.DataPacket_User{User: &livekit.UserPacket{Payload: payload}},
	})
	if err != nil {
		return err
	}
	return out.Send(raw)
}
