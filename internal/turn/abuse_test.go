package turn

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

func TestOnlyAdmittedParticipantsMayRelay(t *testing.T) {
	tc := newRig(t, nil)
	good := tc.server.Admit("PA_alice")
	tc.wantRefused(tc.client("udp", "PA_alice", "guess"), "401")
	tc.wantRefused(tc.client("udp", "PA_mallory", good.Password), "401")
	tc.wantRefused(tc.client("tls", "", ""), "401")
	if s := tc.server.Stats(); s.Unauthorized < 2 || s.Allocations != 0 {
		t.Errorf("stats %+v", s)
	}
	if again := tc.server.Admit("PA_alice"); again.Password != good.Password {
		t.Error("a resumed participant got another password")
	}
}

func TestRevokedCredentialsEndTheirAllocations(t *testing.T) {
	tc := newRig(t, nil)
	c := tc.admitted("udp", "PA_alice")
	relayed := tc.allocate(c)
	tc.wantEcho(relayed, tc.media.LocalAddr(), "hello")
	other := tc.allocate(tc.admitted("udp", "PA_bob"))

	old := tc.server.Admit("PA_alice")
	tc.server.Revoke("PA_alice")
	tc.eventually("the allocation to end", func() bool { return tc.server.pion.AllocationCount() == 1 })
	tc.wantRefused(tc.client("udp", old.Username, old.Password), "401")
	if now := tc.server.Admit("PA_alice"); now.Password == old.Password {
		t.Error("the revoked password is good again")
	}
	tc.wantEcho(other, tc.media.LocalAddr(), "still here")
}

func TestQuotaIsPerParticipantAndPerAddress(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.Limits = Limits{PerParticipant: 2, PerAddress: 3} })
	first := tc.allocate(tc.admitted("udp", "PA_alice"))
	tc.allocate(tc.admitted("tls", "PA_alice"))
	tc.wantRefused(tc.admitted("udp", "PA_alice"), "486")
	tc.allocate(tc.admitted("udp", "PA_bob"))
	tc.wantRefused(tc.admitted("udp", "PA_bob"), "486")

	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	tc.eventually("the first allocation to end", func() bool { return tc.server.Stats().Relays == 2 })
	tc.eventually("its address to be free", func() bool {
		tc.server.mu.Lock()
		defer tc.server.mu.Unlock()
		return tc.server.byAddress[addressKey(first.LocalAddr())] == 2
	})
	tc.allocate(tc.admitted("udp", "PA_alice"))
	if s := tc.server.Stats(); s.OverQuota != 2 {
		t.Errorf("%d refused for quota, want 2", s.OverQuota)
	}
}

// The relay is no way to what the server can reach: not to its own loopback
// services, its network, nor the metadata service of a cloud.
func TestNothingButMediaIsRelayedTo(t *testing.T) {
	tc := newRig(t, nil)
	c := tc.admitted("udp", "PA_alice")
	relayed := tc.allocate(c)
	for _, addr := range []string{
		"127.0.0.2", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "255.255.255.255",
		"224.0.0.1", "100.64.0.1", "8.8.8.8",
	} {
		if err := c.CreatePermission(&net.UDPAddr{IP: net.ParseIP(addr), Port: 53}); err == nil {
			t.Errorf("permission for %s granted", addr)
		}
	}
	if s := tc.server.Stats(); s.Forbidden < 10 {
		t.Errorf("%d forbidden, want each of 10", s.Forbidden)
	}

	// Another port of the media address, where something else listens.
	victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	before := tc.server.Stats().Forbidden
	if _, err := relayed.WriteTo([]byte("stab"), victim.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	tc.eventually("the packet to be dropped", func() bool { return tc.server.Stats().Forbidden > before })

	// And nobody but media gets at the client: it sends to the relay from the
	// permitted address, before media does.
	tc.wantEcho(relayed, tc.media.LocalAddr(), "permission")
	before = tc.server.Stats().Forbidden
	if _, err := victim.WriteTo([]byte("stab"), relayed.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	tc.eventually("the stranger's packet to be dropped", func() bool { return tc.server.Stats().Forbidden > before })
	tc.wantEcho(relayed, tc.media.LocalAddr(), "still good")
}

// Every port of a media address can be given a channel, and each is looked through for
// every packet.
func TestAnAllocationWithTooManyChannelsEnds(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.MediaPorts = [2]uint16{1, 65535} })
	few := tc.allocate(tc.admitted("udp", "PA_bob"))
	many := tc.allocate(tc.admitted("udp", "PA_alice"))
	bind := func(relayed net.PacketConn, port int) {
		// The library gives a channel to whom it sends.
		if _, err := relayed.WriteTo([]byte("hello"), &net.UDPAddr{IP: loopback.AsSlice(), Port: port}); err != nil {
			t.Fatal(err)
		}
	}
	for port := range maxChannels - 1 { // and one to media
		bind(few, 10000+port)
	}
	port := 10000
	tc.eventually("the allocation to end", func() bool {
		bind(many, port)
		port++
		tc.server.mu.Lock()
		defer tc.server.mu.Unlock()
		return len(tc.server.sessions["PA_alice"].relays) == 0
	})
	if port-10000 <= maxChannels {
		t.Errorf("it ended with %d channels", port-10000)
	}
	tc.wantEcho(few, tc.media.LocalAddr(), "still good")
}

func TestSixAddressesOfOneNetworkAreOneAddress(t *testing.T) {
	for _, tt := range []struct{ a, b string }{
		{"[2001:db8::1]:1", "[2001:db8::ffff:2]:2"}, {"[::ffff:192.0.2.1]:1", "192.0.2.1:9"},
	} {
		a := addressKey(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(tt.a)))
		if b := addressKey(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(tt.b))); a != b || !a.IsValid() {
			t.Errorf("%s is %v, %s is %v", tt.a, a, tt.b, b)
		}
	}
}

// What is too much one way is dropped there, and takes nothing from the other.
func TestBitrateIsLimitedEachWay(t *testing.T) {
	packet := make([]byte, 1000)
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			tc := newRig(t, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, 80_000 })
			relayed := tc.allocate(tc.admitted("udp", "PA_alice"))
			// Of another port of media, nothing comes back by itself.
			silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			tc.wantEcho(relayed, tc.media.LocalAddr(), "first")
			up := func() error { _, err := relayed.WriteTo(packet, silent.LocalAddr()); return err }
			down := func() error { _, err := silent.WriteTo(packet, relayed.LocalAddr()); return err }
			before := tc.server.Stats()
			// passed is what has passed the limited way, and the other.
			passed := func() (limited, other uint64) {
				s := tc.server.Stats()
				limited, other = s.BytesUp-before.BytesUp, s.BytesDown-before.BytesDown
				if way == "down" {
					limited, other = other, limited
				}
				return limited, other
			}
			limited, other := up, down
			if way == "down" {
				limited, other = down, up
			}
			tc.eventually("packets to be dropped", func() bool {
				if err := limited(); err != nil {
					t.Fatal(err)
				}
				return tc.server.Stats().OverBitrate > 5
			})
			if n, m := passed(); n == 0 || m >= 1000 {
				t.Errorf("%d bytes passed, and %d the other way", n, m)
			}
			if err := other(); err != nil {
				t.Fatal(err)
			}
			tc.eventually("a packet to pass the other way", func() bool { _, m := passed(); return m >= 1000 })
		})
	}
}

func TestWhatIsNotRelayedIsRefused(t *testing.T) {
	tc := newRig(t, nil)
	c := tc.admitted("udp", "PA_alice")
	if a, err := c.AllocateTCP(); err == nil {
		_ = a.Close()
		t.Error("a TCP allocation was granted")
	}
	// EVEN-PORT makes pion try a hundred ports for nobody's account.
	if _, err := tc.server.openRelay("udp4", "", 0, nil); err == nil {
		t.Error("a relay without an owner")
	}
	if _, err := tc.server.openRelay("udp6", "PA_alice", 0, nil); err == nil {
		t.Error("a relay on an address family without media")
	}
}

func TestGarbageHarmsNobody(t *testing.T) {
	tc := newRig(t, nil)
	udp, tcp := tc.server.Addrs()
	conn, err := net.Dial("udp", udp.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, garbage := range garbage(t) {
		_, _ = conn.Write(garbage)
		stream, err := net.Dial("tcp", tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Write(garbage)
		_ = stream.Close()
	}
	tc.wantEcho(tc.allocate(tc.admitted("udp", "PA_alice")), tc.media.LocalAddr(), "over UDP")
	tc.wantEcho(tc.allocate(tc.admitted("tls", "PA_alice")), tc.media.LocalAddr(), "over TLS")
	tc.eventually("the strangers to be gone", func() bool { return tc.server.Stats().Connections == 1 })
}

// garbage is what is almost a message: each cut off anywhere.
func garbage(t testing.TB) [][]byte {
	var all [][]byte
	for _, m := range []*stun.Message{
		stun.MustBuild(stun.TransactionID, stun.BindingRequest),
		stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
			stun.NewUsername("PA_alice"), stun.NewRealm(realm), stun.NewNonce("0123"), stun.NewLongTermIntegrity("PA_alice", realm, "x")),
		stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication)),
	} {
		for i := range m.Raw {
			all = append(all, m.Raw[:i])
		}
		all = append(all, m.Raw)
	}
	return append(all, []byte{0x40, 0, 0xff, 0xff}, []byte{0x40, 0, 0xff, 0xfc, 1, 2, 3, 4, 5}, []byte("GET / HTTP/1.1\r\n\r\n"), make([]byte, 1599))
}

func TestConnectionWithoutAllocationIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &Server{streams: map[string]*stream{}, streamsFrom: map[netip.Prefix]int{}, opts: Options{}.withDefaults()}
		near, far := net.Pipe()
		defer far.Close()
		c := server.stream(near, nil)
		began := time.Now()
		go func() {
			for range 3 { // a slow stranger
				time.Sleep(strangerTimeout / 4)
				_, _ = far.Write([]byte{0})
			}
		}()
		for {
			if _, err := c.Read(make([]byte, 1)); err != nil {
				break
			}
		}
		if took := time.Since(began); took != strangerTimeout {
			t.Errorf("cut off after %v, want %v", took, strangerTimeout)
		}

		// One that relays may be silent for longer, but not for ever.
		c.allocated()
		began = time.Now()
		_, err := c.Read(make([]byte, 1))
		if took := time.Since(began); err == nil || took != streamIdle {
			t.Errorf("silent for %v: %v", took, err)
		}
		// One that does not read is cut off.
		began = time.Now()
		if _, err := c.Write([]byte{0}); err == nil || time.Since(began) != writeTimeout {
			t.Errorf("wrote for %v: %v", time.Since(began), err)
		}
		if len(server.streams) != 0 {
			t.Error("it still counts")
		}
	})
}

func TestTooManyConnectionsAreRefused(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.Limits.Connections = 3; o.ExternalTLS = true })
	_, tcp := tc.server.Addrs()
	for range 5 {
		conn, err := net.Dial("tcp", tcp.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	tc.eventually("two to be refused", func() bool { return tc.server.Stats().OverQuota == 2 })
	if n := tc.server.Stats().Connections; n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// Who ends TLS before us is where all clients come from.
func TestClientsOfABalancerShareNoLimitOfAnAddress(t *testing.T) {
	tc := newRig(t, func(o *Options) { o.ExternalTLS, o.Limits = true, Limits{PerAddress: 2} })
	for _, sid := range []string{"PA_alice", "PA_bob", "PA_carol"} {
		tc.allocate(tc.admitted("tcp", sid))
	}
	for _, sid := range []string{"PA_dave", "PA_erin"} {
		tc.allocate(tc.admitted("udp", sid))
	}
	tc.wantRefused(tc.admitted("udp", "PA_frank"), "486")
}

func FuzzDatagram(f *testing.F) {
	for _, g := range garbage(f) {
		f.Add(g)
	}
	server, err := Start(Options{
		Media:      []MediaAddr{{Local: loopback, Advertised: []netip.Addr{loopback}}},
		MediaPorts: [2]uint16{1, 1}, UDPPort: -1, TLSPort: -1, ExternalTLS: true, BindAddresses: []string{"127.0.0.1"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	udp, tcp := server.Addrs()
	f.Fuzz(func(t *testing.T, datagram []byte) {
		conn, err := net.Dial("udp", udp.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if len(datagram) < 60_000 {
			_, _ = conn.Write(datagram)
		}
		if stream, err := net.Dial("tcp", tcp.String()); err == nil {
			_, _ = stream.Write(datagram)
			_ = stream.Close()
		}
		if err := answers(udp); err != nil {
			t.Fatal(err)
		}
	})
}

// answers asks a server for our own address.
func answers(server net.Addr) error {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer conn.Close()
	c, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: server.String(), Conn: conn})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Listen(); err != nil {
		return err
	}
	mapped, err := c.SendBindingRequest()
	if err == nil && mapped.String() != conn.LocalAddr().String() {
		err = fmt.Errorf("told that we are %v", mapped)
	}
	return err
}
