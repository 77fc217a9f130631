package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/webrtc/v4"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
	"github.com/rollcall-rtc/rollcall/internal/sfu/sctp"
	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
)

// duel is a handshake without sockets, in virtual time: our end of it, and a client made
// with pion.
type duel struct {
	*shake
	t           *testing.T
	conn        *conn            // as far as a handshake needs one
	certificate *tls.Certificate // the client's
	fingerprint string           // of it

	mu      sync.Mutex
	theirs  *wire                  // mu guards; the client's end, nil before it begins
	lost    func(ours []byte) bool // mu guards; what does not reach the client, nil: nothing
	ours    int                    // mu guards; datagrams that we have sent
	sent    [][]byte               // mu guards; datagrams of the client
	changes []shakeState           // mu guards; as told
	client  *dtls.Conn             // of the client
	donec   chan error             // when its handshake has ended
}

func newDuel(t *testing.T) *duel {
	t.Helper()
	d := &duel{shake: &shake{}, t: t, donec: make(chan error, 1)}
	f := &Factory{opts: Options{Logger: slog.New(slog.DiscardHandler)}}
	var err error
	if f.certificate, f.fingerprint, err = newCertificate(); err != nil {
		t.Fatal(err)
	}
	f.dtls = f.dtlsOptions()
	if d.certificate, d.fingerprint, err = newCertificate(); err != nil {
		t.Fatal(err)
	}
	c := &conn{factory: f}
	c.packets.init(nil, nil)
	c.packets.data.init(c.packets.link, func(*channel, sctp.Message) {})
	d.conn = c
	d.shake.write, d.shake.log = d.toClient, f.opts.Logger
	d.shake.make, d.shake.hello, d.shake.secured, d.shake.ends = c.newDTLS, c.packets.keys.sawRecords, c.packets.secured, c.packets.data.ends
	c.packets.data.proved = d.prove
	d.changed = func() {
		s := d.current()
		d.with(func() { d.changes = append(d.changes, s) })
	}
	return d
}

func (d *duel) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *duel) toClient(b []byte) {
	d.with(func() {
		if d.ours++; d.theirs != nil && (d.lost == nil || !d.lost(b)) {
			d.theirs.push(b)
		}
	})
}

// fromClient hands on what the client sends, as transport does.
func (d *duel) fromClient(b []byte) {
	d.with(func() { d.sent = append(d.sent, slices.Clone(b)) })
	for one, rest, ok := record.Split(b); ok; one, rest, ok = record.Split(rest) {
		if record.IsData(one) {
			batch := transport.Borrow()
			d.conn.packets.data.handle(one, batch)
			batch.Return()
		} else {
			d.arrive(one)
		}
	}
}

// begin has the client begin its handshake, as the server of it or not.
func (d *duel) begin(server bool) {
	d.t.Helper()
	var err error
	w := newWire(d.fromClient)
	d.with(func() { d.theirs = w })
	verify := dtls.WithVerifyPeerCertificate(func(chain [][]byte, _ [][]*x509.Certificate) error {
		return matchFingerprint([]string{d.conn.factory.fingerprint}, chain[0])
	})
	profiles := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM)
	if server {
		d.client, err = dtls.ServerWithOptions(w, w.LocalAddr(), dtls.WithCertificates(*d.certificate), verify, profiles,
			dtls.WithClientAuth(dtls.RequireAnyClientCert), dtls.WithInsecureSkipVerifyHello(true))
	} else {
		d.client, err = dtls.ClientWithOptions(w, w.LocalAddr(), dtls.WithCertificates(*d.certificate), verify, profiles, dtls.WithInsecureSkipVerify(true))
	}
	if err != nil {
		d.t.Fatal(err)
	}
	go func() { d.donec <- d.client.HandshakeContext(context.Background()) }()
	synctest.Wait()
}

// connect makes the handshake.
func (d *duel) connect() {
	d.t.Helper()
	d.begin(false)
	d.describe(false, []string{d.fingerprint})
	d.reach()
	d.finished()
}

// finished waits until both ends have keys.
func (d *duel) finished() {
	d.t.Helper()
	if err := <-d.donec; err != nil {
		d.t.Fatal(err)
	}
	synctest.Wait()
	d.want(shakeDone)
}

func (d *duel) want(s shakeState) {
	d.t.Helper()
	synctest.Wait()
	if got := d.current(); got != s {
		d.t.Fatalf("the handshake is in state %d, want %d", got, s)
	}
}

// retired reports whether nothing runs for the handshake any more.
func (d *duel) retired() bool {
	donec := make(chan struct{})
	go func() { d.running.Wait(); close(donec) }()
	synctest.Wait()
	return isClosed(donec)
}

// end closes both ends.
func (d *duel) end() {
	d.shake.close()
	d.conn.packets.data.close()
	if d.client != nil {
		_ = d.client.Close()
	}
}

func duels(t *testing.T, f func(t *testing.T, d *duel)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := newDuel(t)
		f(t, d)
		d.end()
	})
}

// A handshake begins when there is a description, a path, and somebody who has spoken. What
// came before is not lost: nothing has to be said twice.
func TestHandshakeWaitsForWhatItNeeds(t *testing.T) {
	const described, reachable, spoken = "described", "reachable", "spoken"
	for _, order := range [][]string{
		{described, reachable, spoken}, {described, spoken, reachable}, {reachable, described, spoken},
		{reachable, spoken, described}, {spoken, described, reachable}, {spoken, reachable, described},
	} {
		t.Run(strings.Join(order, " "), func(t *testing.T) {
			duels(t, func(t *testing.T, d *duel) {
				began := time.Now()
				for _, step := range order {
					d.want(shakeNone)
					switch step {
					case described:
						d.describe(false, []string{d.fingerprint})
					case reachable:
						d.reach()
					case spoken:
						d.begin(false)
					}
				}
				d.finished()
				if took := time.Since(began); took > 0 {
					t.Errorf("it took %v: something was lost", took)
				}
			})
		})
	}
}

func TestWhoIsTheClientOfAHandshakeSpeaksFirst(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		began := time.Now()
		d.begin(true)
		d.describe(true, []string{d.fingerprint})
		d.want(shakeNone)
		d.reach()
		d.finished()
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v: something was lost", took)
		}
		if !d.conn.packets.keys.client {
			t.Error("the keys are of the other part")
		}
	})
}

// Only the first description counts.
func TestAHandshakeIsDescribedOnce(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		d.begin(false)
		d.describe(false, []string{d.fingerprint})
		d.describe(true, []string{"sha-256 00"})
		d.reach()
		d.finished()
	})
}

func TestRecordsThatWaitForADescriptionAreBounded(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		for range 20 * maxWaiting {
			d.arrive(make([]byte, 1200))
		}
		if n := d.wire.in.Count(); n != maxWaiting {
			t.Errorf("%d datagrams wait", n)
		}
		d.connect() // the client says again what was lost
	})
}

func TestHandshakeEndsInTime(t *testing.T) {
	for name, client := range map[string]bool{"as its server": false, "as its client": true} {
		t.Run(name, func(t *testing.T) {
			duels(t, func(t *testing.T, d *duel) {
				d.lost = func([]byte) bool { return true }
				d.begin(client)
				began := time.Now()
				d.describe(client, []string{d.fingerprint})
				d.reach()
				time.Sleep(handshakeTimeout - 1)
				d.want(shakeRunning)
				time.Sleep(1)
				d.want(shakeFailed)
				if !d.retired() || !slices.Equal(d.changes, []shakeState{shakeFailed}) || time.Since(began) != handshakeTimeout {
					t.Errorf("after %v it was told %v", time.Since(began), d.changes)
				}
				d.arrive([]byte{22}) // is too late
				d.reach()
				d.want(shakeFailed)
			})
		})
	}
}

func TestAnotherCertificateEndsAHandshake(t *testing.T) {
	for name, client := range map[string]bool{"as its server": false, "as its client": true} {
		t.Run(name, func(t *testing.T) {
			duels(t, func(t *testing.T, d *duel) {
				d.begin(client)
				d.describe(client, []string{d.conn.factory.fingerprint})
				d.reach()
				d.want(shakeFailed)
				if !d.retired() || !slices.Equal(d.changes, []shakeState{shakeFailed}) {
					t.Errorf("told %v", d.changes)
				}
				if err := <-d.donec; err == nil {
					t.Error("the client has a connection")
				}
			})
		})
	}
}

// Our last message is repeated to a client that has missed it.
func TestLastMessageOfAHandshakeIsRepeated(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		const changeCipherSpec = 20
		missed := 0
		d.lost = func(b []byte) bool {
			if b[0] == changeCipherSpec && missed < 2 {
				missed++
				return true
			}
			return false
		}
		d.connect()
		if missed != 2 {
			t.Errorf("%d were lost", missed)
		}
	})
}

// Once the client has sent data it has our last message, and nothing is left to do but to
// listen for its end.
func TestHandshakeCostsNothingOnceTheClientHasItsEnd(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		d.connect()
		if d.retired() {
			t.Fatal("who is to repeat the last message?")
		}
		before := runtime.NumGoroutine()
		if _, err := d.client.Write([]byte("anything")); err != nil {
			t.Fatal(err)
		}
		d.want(shakeDone)
		if !d.retired() || runtime.NumGoroutine() >= before {
			t.Errorf("it still runs: %d goroutines, then %d", before, runtime.NumGoroutine())
		}
		said := d.ours

		for _, again := range slices.Clone(d.sent) {
			d.fromClient(again) // its whole handshake
		}
		for name, forged := range map[string][]byte{
			"in the clear":      {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40},
			"with no right key": append([]byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, 9, 0, 26}, make([]byte, 26)...),
			"cut off":           {21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 1, 9, 0, 26},
			"empty":             {},
		} {
			d.arrive(forged)
			if got := d.current(); got != shakeDone {
				t.Errorf("an alert %s: state %d", name, got)
			}
		}
		time.Sleep(2 * handshakeTimeout)
		d.want(shakeDone)
		if d.ours != said {
			t.Errorf("%d datagrams were sent", d.ours-said)
		}

		if err := d.client.Close(); err != nil {
			t.Fatal(err)
		}
		d.want(shakeEnded)
		if !slices.Equal(d.changes, []shakeState{shakeDone, shakeEnded}) {
			t.Errorf("told %v", d.changes)
		}
	})
}

func TestAClientWithoutDataIsHeardToClose(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		d.connect()
		time.Sleep(time.Hour)
		d.want(shakeDone)
		if err := d.client.Close(); err != nil {
			t.Fatal(err)
		}
		d.want(shakeEnded)
		if !d.retired() || !slices.Equal(d.changes, []shakeState{shakeDone, shakeEnded}) {
			t.Errorf("told %v", d.changes)
		}
	})
}

// Who does not send data keeps pion's connection, for which records in the clear are a
// reason to end. Anybody may send those.
func TestForgedRecordsDoNotEndAConnection(t *testing.T) {
	duels(t, func(t *testing.T, d *duel) {
		d.connect()
		said := d.ours
		clear := func(kind byte, payload ...byte) []byte {
			return append([]byte{kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, byte(len(payload))}, payload...)
		}
		for name, forged := range map[string][]byte{
			"data": clear(23, 1, 2, 3), "an alert": clear(21, 2, 40), "a goodbye": clear(21, 1, 0), "a change of ciphers": clear(20, 9),
			"a message": clear(22, 1, 2, 3), "of no kind": clear(99, 1), "behind another": append(clear(22, 1, 2, 3), clear(23, 1)...),
		} {
			d.arrive(forged)
			synctest.Wait()
			if d.current() != shakeDone || d.ours != said {
				t.Errorf("%s: state %d, %d datagrams were sent", name, d.current(), d.ours-said)
			}
		}
		if err := d.client.Close(); err != nil {
			t.Fatal(err)
		}
		d.want(shakeEnded)
	})
}

// We leave without a word of the handshake's, and nothing is told after it.
func TestHandshakeIsClosedWheneverItIs(t *testing.T) {
	for name, until := range map[string]func(d *duel){
		"before it begins": func(*duel) {},
		"with a record":    func(d *duel) { d.begin(false) },
		"while it runs": func(d *duel) {
			d.with(func() { d.lost = func([]byte) bool { return true } })
			d.begin(false)
			d.describe(false, nil)
			d.reach()
		},
		"when it has ended": func(d *duel) { d.connect() },
		"when it is done with": func(d *duel) {
			d.connect()
			_, _ = d.client.Write([]byte("anything"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			duels(t, func(t *testing.T, d *duel) {
				until(d)
				synctest.Wait()
				said, told := d.ours, len(d.changes)
				d.shake.close()
				d.describe(false, nil)
				d.reach()
				d.arrive([]byte{22})
				synctest.Wait()
				if !d.retired() || d.ours != said || len(d.changes) != told {
					t.Errorf("%d datagrams, told %v", d.ours-said, d.changes)
				}
			})
		})
	}
}

// A client may want to be the server of the handshake. Who begins it does not change as long
// as the connection lasts, whatever the client would do (RFC 8842 §5.3).
func TestPartInTheHandshakeStaysWhatItWas(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	reliable, _ := c.dataChannels()
	mic, _ := c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	waits := func(offer string) string { return strings.ReplaceAll(offer, "a=setup:actpass", "a=setup:passive") }
	first := c.negotiateAs(waits, nil)
	c.connected()
	if !c.pub.shake.client {
		t.Error("nobody begins")
	}
	for _, answer := range []string{first, c.negotiateAs(waits, nil), c.negotiate(nil)} {
		if got := attribute(answer, "setup"); !slices.Equal(got, []string{"active"}) {
			t.Errorf("answered: %v", got)
		}
	}
	eventually(t, "mic announced", func() bool { return c.track("mic") != nil })
	sendOpus(t, mic, "audio", func() bool { return upPackets(c.track("mic")) > 5 })
	eventually(t, "open", func() bool { return reliable.ReadyState() == webrtc.DataChannelStateOpen })
	if err := reliable.SendText("x"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "data", func() bool { return c.messages() == 1 })
}

// The connection goes on without its handshake, and hears the client close.
func TestConnectionOutlivesItsHandshake(t *testing.T) {
	f := newTestFactory(t, nil)
	c := newPubClient(t, f, clientOptions{})
	reliable, _ := c.dataChannels()
	mic, _ := c.publish(webrtc.MimeTypeOpus, "stream", "mic")
	c.negotiate(nil)
	c.connected()
	eventually(t, "open", func() bool { return reliable.ReadyState() == webrtc.DataChannelStateOpen })
	c.pub.shake.running.Wait()
	if s := c.pub.shake.current(); s != shakeDone || c.state() != Connected {
		t.Errorf("state %d, connection %v", s, c.state())
	}
	eventually(t, "mic announced", func() bool { return c.track("mic") != nil })
	n := upPackets(c.track("mic"))
	sendOpus(t, mic, "audio", func() bool { return upPackets(c.track("mic")) > n+5 })
	c.negotiate(nil)
	if c.state() != Connected {
		t.Errorf("connection %v", c.state())
	}
	if err := c.pc.SCTP().Transport().Stop(); err != nil { // ICE goes on
		t.Fatal(err)
	}
	eventually(t, "closed", func() bool { return c.state() == Closed })
	if err := c.failure(); err != nil {
		t.Error(err)
	}
}
