package peer

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

var dataSizes = []int{1, 200, 1151, 1152, 1153, 5000, 0, MaxMessageSize}

func TestDataOfAllSizesArrivesBothWays(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	reliable, lossy := c.dataChannels()
	c.negotiate(nil)
	eventually(t, "channels open", func() bool {
		return reliable.ReadyState() == webrtc.DataChannelStateOpen && lossy.ReadyState() == webrtc.DataChannelStateOpen
	})
	for i, n := range dataSizes {
		payload := bytes.Repeat([]byte{byte('a' + i)}, n)
		if err := reliable.Send(payload); err != nil {
			t.Fatal(err)
		}
		eventually(t, "message", func() bool { return c.messages() == 2*i+1 })
		if err := lossy.SendText(string(payload)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "lossy message", func() bool { return c.messages() == 2*i+2 })
		for kind, label := range map[DataKind]string{Reliable: labelReliable, Lossy: labelLossy} {
			got := func() (n int) { c.with(func() { n = len(c.received) }); return n }
			before := got()
			eventually(t, "sent", func() bool { return c.pub.SendData(kind, payload, nil) == nil })
			eventually(t, "message back", func() bool { return got() == before+1 })
			c.with(func() {
				if m := c.received[before]; m != (message{label: label, payload: string(payload)}) {
					t.Errorf("%v, %d bytes: got %d on %q", kind, n, len(m.payload), m.label)
				}
				if m := c.data[2*i]; m != (message{Reliable, labelReliable, string(payload)}) {
					t.Errorf("%d bytes: got %d on %q", n, len(m.payload), m.label)
				}
				if m := c.data[2*i+1]; m != (message{Lossy, labelLossy, string(payload)}) {
					t.Errorf("%d bytes of text: got %d on %q", n, len(m.payload), m.label)
				}
			})
		}
	}
}

func TestAMessageToManyLeavesWithItsBatch(t *testing.T) {
	f := newTestFactory(t, nil)
	var clients []*subClient
	for range 3 {
		c := newSubClient(t, f, clientOptions{})
		c.sub.Negotiate()
		c.connected()
		eventually(t, "lossy goes out", func() bool { return c.sub.SendData(Lossy, []byte("perhaps"), nil) == nil })
		clients = append(clients, c)
	}
	batch, send := Together()
	for i := range 3 {
		for _, kind := range []DataKind{Reliable, Lossy} {
			for _, c := range clients {
				payload := bytes.Repeat([]byte{byte('0' + i)}, 2000)
				if err := c.sub.SendData(kind, payload, batch); err != nil {
					t.Fatal(err)
				}
				clear(payload) // may be used again
			}
		}
	}
	send()
	for _, c := range clients {
		eventually(t, "all of it", func() bool {
			n := map[string]int{}
			c.with(func() {
				for _, m := range c.received {
					n[m.payload]++
				}
			})
			for i := range 3 {
				if n[strings.Repeat(string(rune('0'+i)), 2000)] != 2 {
					return false
				}
			}
			return true
		})
	}
}

func TestAChannelMayBeClosedAndMadeAgain(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	c.negotiate(nil)
	for i := range 2 * maxChannels { // those that are closed do not count
		dc, err := c.pc.CreateDataChannel("chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "open", func() bool { return dc.ReadyState() == webrtc.DataChannelStateOpen })
		if err := dc.SendText("hello"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "message", func() bool { return c.messages() == i+1 })
		if err := dc.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "closed here too", func() bool { return dc.ReadyState() == webrtc.DataChannelStateClosed })
	}
}

func TestAClientHasOnlySoManyChannels(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	c.dataChannels()
	c.negotiate(nil)
	c.connected()
	for range 2 * maxChannels {
		if _, err := c.pc.CreateDataChannel("more", nil); err != nil {
			t.Fatal(err)
		}
	}
	a := &c.pub.packets.data
	count := func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.theirs()
	}
	eventually(t, "channels", func() bool { return count() == maxChannels })
	dc, err := c.pc.CreateDataChannel("one more", nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "refused", func() bool { return dc.ReadyState() == webrtc.DataChannelStateClosed })
	if n := count(); n != maxChannels {
		t.Errorf("%d channels", n)
	}
}

func TestTheAssociationIsOpenedByUsIfTheClientDoesNot(t *testing.T) {
	for name, later := range map[string]time.Duration{ // than the handshake it is described
		"described before the handshake": 0,
		"described long after it":        time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var a association
				a.init(transport.NewLink(nil, nil, nil), nil)
				waits := func() bool {
					a.mu.Lock()
					defer a.mu.Unlock()
					return !a.sctp.Deadline().IsZero() // for the answer
				}
				if later == 0 {
					a.negotiated(time.Now())
				}
				key, salt := make([]byte, 16), make([]byte, 4)
				if err := a.secured(dataKeys{localKey: key, localSalt: salt, remoteKey: key, remoteSalt: salt}, time.Now()); err != nil {
					t.Fatal(err)
				}
				if later != 0 {
					time.Sleep(later)
					if synctest.Wait(); waits() {
						t.Error("a client that has described no data is sent some")
					}
					a.negotiated(time.Now())
				}
				time.Sleep(letConnect - time.Millisecond)
				if waits() {
					t.Error("the client had no time to")
				}
				time.Sleep(2 * time.Millisecond)
				if synctest.Wait(); !waits() {
					t.Error("nobody has opened it")
				}
				a.close()
				synctest.Wait()
			})
		})
	}
}

// Who has opened its channels and sends nothing wakes nobody.
func TestAnIdleAssociationHasNoTimer(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newSubClient(t, f, clientOptions{})
	c.sub.Negotiate()
	c.connected()
	a := &c.sub.conn.packets.data
	eventually(t, "its channels are open, and nothing is due", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.channels) > 0 && a.allOpen() && a.sctp.Deadline().IsZero()
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.wakeAt.IsZero() {
		t.Errorf("it is woken in %v", time.Until(a.wakeAt))
	}
}

func TestDataIsForThoseThatDescribeIt(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	track, err := webrtc.NewTrackLocalStaticSample(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "sound", "all")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.pc.AddTrack(track); err != nil {
		t.Fatal(err)
	}
	c.negotiate(nil)
	c.connected()
	a := &c.pub.packets.data
	secured := func() (is, opens bool) {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.sctp != nil, !a.connect.IsZero()
	}
	eventually(t, "keys", func() bool { is, _ := secured(); return is })
	if _, opens := secured(); opens {
		t.Error("one that has described no data will be sent some")
	}
	reliable, _ := c.dataChannels()
	c.negotiate(nil)
	eventually(t, "it is open", func() bool { return reliable.ReadyState() == webrtc.DataChannelStateOpen })
	if err := reliable.SendText("hello"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "message", func() bool { return c.messages() == 1 })
}

func TestDataThatIsNoSCTPEndsTheConnectionOnce(t *testing.T) {
	key, salt := make([]byte, 16), make([]byte, record.SaltLen)
	p := new(packets)
	p.init(nil, nil)
	p.data.init(p.link, func(*channel, sctp.Message) {})
	if err := p.data.secured(dataKeys{localKey: key, localSalt: salt, remoteKey: key, remoteSalt: salt}, time.Now()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.data.close)
	var failed []error
	p.failed = func(err error) { failed = append(failed, err) }
	client, err := record.NewSealer(key, salt)
	if err != nil {
		t.Fatal(err)
	}
	send := func(packet []byte) {
		b, err := client.Seal(nil, record.ApplicationData, packet)
		if err != nil {
			t.Fatal(err)
		}
		batch := transport.Borrow()
		defer batch.Return()
		p.HandleData(b, batch)
	}
	other := sctp.New(sctp.Options{Write: send, MaxMessage: 1, Window: 1})
	for range maxGarbage {
		send([]byte("no packet of SCTP at all"))
		p.HandleData(make([]byte, 100), nil) // whose, nobody knows
	}
	other.Connect(time.Now())
	if len(failed) > 0 {
		t.Errorf("too early: %v", failed)
	}
	for range 5 {
		send(nil)
	}
	p.spoil(ErrGarbage)
	if len(failed) != 1 || failed[0] != errNotSCTP {
		t.Errorf("failed with %v", failed)
	}
}

func TestRequestsForChannels(t *testing.T) {
	for _, want := range []channelRequest{
		{label: labelReliable},
		{label: labelLossy, rel: sctp.Reliability{Unordered: true, Limited: true}},
		{label: "", rel: sctp.Reliability{Limited: true, Retransmissions: 7}},
		{label: strings.Repeat("x", maxLabel), rel: sctp.Reliability{Unordered: true}},
	} {
		b := want.append(nil)
		if got, err := parseRequest(b); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		for i := range b {
			if _, err := parseRequest(b[:i]); err == nil {
				t.Errorf("%d of %d bytes are taken", i, len(b))
			}
		}
	}
	timed := channelRequest{label: "x"}.append(nil)
	timed[1] = channelTimed
	if got, err := parseRequest(timed); err != nil || !got.rel.Limited || got.kind() != Lossy {
		t.Errorf("got %+v, %v", got, err)
	}
	if timed[1] = 9; func() bool { _, err := parseRequest(timed); return err == nil }() {
		t.Error("an unknown type is taken")
	}
	if _, err := parseRequest(channelRequest{label: strings.Repeat("x", maxLabel+1)}.append(nil)); err == nil {
		t.Error("a label too long is taken")
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(channelRequest{label: labelLossy, rel: sctp.Reliability{Unordered: true, Limited: true}}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseRequest(b)
		if err == nil && len(r.label) > maxLabel {
			t.Errorf("a label of %d bytes", len(r.label))
		}
	})
}
