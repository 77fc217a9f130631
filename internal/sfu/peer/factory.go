package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/rollcall-rtc/rollcall/internal/sfu/transport"
	"github.com/rollcall-rtc/rollcall/internal/sfu/uptrack"
)

// MaxMessageSize is the longest data message we take and send.
const MaxMessageSize = 65536

// firstRetransmission is how long a lost flight of a handshake is waited for at
// first, and twice as long each time after that.
const firstRetransmission = 200 * time.Millisecond

// Factory makes connections. They share its sockets and its certificate.
type Factory struct {
	// immutable
	opts        Options
	certificate *tls.Certificate
	fingerprint string // of it
	dtls        []dtls.Option
	addrs       []MediaAddr
	mux         *transport.Mux     // nil with a range of ports
	streams     *transport.Streams // nil without TCP
	tcpAddr     *net.TCPAddr       // the first one of it
	clock       clock              // of media
	rounds      *rounds
	paces       paces

	allCandidates, tcpCandidates []string // of connections that share the sockets

	subscriberMedia *repertoire

	// extensions maps an up-track to the ids its publisher uses, by URI, so
	// that a subscriber elsewhere can translate them.
	extensions sync.Map // *uptrack.UpTrack -> map[string]uint8

	reminded atomic.Uint64 // clients, of offers that they owed

	mu         sync.Mutex
	publishers map[string]*repertoire // mu guards; by what is enabled
	conns      map[*conn]struct{}     // mu guards
	closed     bool                   // mu guards
	past       Traffic                // mu guards; of connections that are gone
	lost       [2][2]uint64           // mu guards; audio and video, in and out, as told last
}

// NewFactory binds the sockets. An address that cannot be bound is a
// *ListenError.
func NewFactory(opts Options) (*Factory, error) {
	f := &Factory{
		opts:       opts.withDefaults(),
		clock:      newClock(),
		publishers: map[string]*repertoire{},
		conns:      map[*conn]struct{}{},
	}
	f.rounds = newRounds(f.opts.KeepaliveInterval)
	if err := f.configure(); err != nil {
		f.closeSockets()
		return nil, fmt.Errorf("make connections: %w", err)
	}
	return f, nil
}

func (f *Factory) configure() (err error) {
	if f.certificate, f.fingerprint, err = newCertificate(); err != nil {
		return err
	}
	f.dtls = f.dtlsOptions()
	addrs, err := localAddresses(f.opts)
	if err != nil {
		return err
	}
	if f.addrs, err = advertised(addrs, f.opts); err != nil {
		return err
	}
	if err := f.listen(addrs); err != nil {
		return err
	}
	if f.mux != nil {
		f.allCandidates = candidateAttributes(f.addrs, f.mux.LocalAddrs()[0].Port(), f.tcpPort())
	}
	f.tcpCandidates = candidateAttributes(f.addrs, 0, f.tcpPort())
	f.subscriberMedia = newRepertoire(nil, true, subscriberExtensions)
	return nil
}

func (f *Factory) listen(addrs []netip.Addr) error {
	if ports := f.opts.UDPPortRange; ports[1] != 0 && (ports[0] == 0 || ports[0] > ports[1]) {
		return fmt.Errorf("UDP port range: %d is not below %d", ports[0], ports[1])
	}
	if f.opts.UDPPortRange[1] == 0 {
		mux, err := listenUDP(addrs, f.opts.UDPPort)
		if err != nil {
			return err
		}
		f.mux = mux
	}
	if f.opts.TCPPort != 0 {
		ls, err := listenTCP(addrs, f.opts.TCPPort)
		if err != nil {
			return err
		}
		f.tcpAddr = ls[0].Addr().(*net.TCPAddr)
		f.streams = transport.ListenStreams(ls, f.opts.Logger)
	}
	return nil
}

// rangeTries is how many ports of a range are tried before a connection is refused.
const rangeTries = 64

// sharedMux returns the UDP sockets that a connection shares with others, if it does.
func (f *Factory) sharedMux(c *conn) *transport.Mux {
	if c.withoutUDP() {
		return nil
	}
	return f.mux
}

// openOwn opens sockets of a connection's own, of the range of ports.
func (f *Factory) openOwn() (*transport.Mux, error) {
	var addrs []netip.Addr
	for _, m := range f.addrs {
		addrs = append(addrs, m.Local)
	}
	first, last := int(f.opts.UDPPortRange[0]), int(f.opts.UDPPortRange[1])
	count := last - first + 1
	start := rand.IntN(count)
	var err error
	for i := range min(count, rangeTries) {
		var mux *transport.Mux
		if mux, err = transport.Listen(addrs, first+(start+i)%count, transport.Options{Own: true}); err == nil {
			return mux, nil
		}
	}
	return nil, fmt.Errorf("no port of %d to %d is free: %w", first, last, err)
}

// publisherMedia returns the enabled codecs. Clients without transport-wide
// feedback tell their own estimate of what they can be sent on a connection that is
// duplex.
func (f *Factory) publisherMedia(enabled []string, duplex bool) *repertoire {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprint(strings.ToLower(strings.Join(enabled, " ")), duplex)
	if media, ok := f.publishers[key]; ok {
		return media
	}
	exts := publisherExtensions
	if duplex {
		exts = append(slices.Clip(exts), playoutDelay)
	}
	media := newRepertoire(enabled, duplex, exts)
	f.publishers[key] = media
	return media
}

// UDPAddr returns the address of the shared UDP port, nil if there is none.
// With several addresses it is the first of them.
func (f *Factory) UDPAddr() *net.UDPAddr {
	if f.mux == nil {
		return nil
	}
	return net.UDPAddrFromAddrPort(f.mux.LocalAddrs()[0])
}

// TCPAddr returns the address of the ICE-TCP port, nil if there is none.
func (f *Factory) TCPAddr() *net.TCPAddr { return f.tcpAddr }

func (f *Factory) tcpPort() uint16 {
	if f.tcpAddr == nil {
		return 0
	}
	return uint16(f.tcpAddr.Port)
}

// Close closes every connection, waits for them within ctx, and closes the sockets.
func (f *Factory) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	conns := make([]*conn, 0, len(f.conns))
	for c := range f.conns {
		conns = append(conns, c)
	}
	f.mu.Unlock()
	for _, c := range conns {
		go c.Close()
	}
	return errors.Join(ended(ctx, conns), f.closeSockets())
}

// ended waits for the end of connections.
func ended(ctx context.Context, conns []*conn) error {
	for i, c := range conns {
		if isClosed(c.donec) {
			continue
		}
		select {
		case <-c.donec:
		case <-ctx.Done():
			return fmt.Errorf("%d connections have not ended: %w", len(conns)-i, context.Cause(ctx))
		}
	}
	return nil
}

func (f *Factory) closeSockets() error {
	var errs []error
	if f.mux != nil {
		errs = append(errs, f.mux.Close())
	}
	if f.streams != nil {
		errs = append(errs, f.streams.Close())
	}
	return errors.Join(errs...)
}

func (f *Factory) register(c *conn) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.conns[c] = struct{}{}
	return nil
}

func (f *Factory) unregister(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.conns[c]; ok {
		delete(f.conns, c)
		gone := c.tally.traffic()
		gone.Audio.In.Tracks, gone.Audio.Out.Tracks = 0, 0
		gone.Video.In.Tracks, gone.Video.Out.Tracks = 0, 0
		f.past.Audio.add(gone.Audio)
		f.past.Video.add(gone.Video)
		f.past.Paced.Packets += c.packets.paced().Packets
	}
}

func (f *Factory) extensionsOf(up *uptrack.UpTrack) map[string]uint8 {
	ids, _ := f.extensions.Load(up)
	m, _ := ids.(map[string]uint8)
	return m
}
