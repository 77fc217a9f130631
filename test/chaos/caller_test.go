package chaos

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"
	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/stun/v4"
	"google.golang.org/protobuf/proto"

	"github.com/rollcall-rtc/rollcall/internal/sfu/consent"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
	"github.com/rollcall-rtc/rollcall/internal/token"
)

// callers makes clients that cost next to nothing, of which thousands fit beside the
// server that they call: one connection for both ways, as SDKs make by default, on one
// UDP socket. What they say is real, signalling, ICE, DTLS, SRTP and reports; what they
// hear is counted by its clear header, and decrypted by nobody. They have no data.
type callers struct {
	url         string // ws://…
	media       *net.UDPAddr
	certificate tls.Certificate
	fingerprint string
}

// addresses is how many of this machine's callers come from, for what one may do is limited.
const addresses = 16

func newCallers(s *server) (*callers, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, err
	}
	return &callers{
		url:         "ws" + strings.TrimPrefix(s.url, "http"),
		media:       &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.udpPort},
		certificate: certificate,
		fingerprint: fingerprint(certificate),
	}, nil
}

// fingerprint is what descriptions say of a certificate.
func fingerprint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	hex := make([]string, len(sum))
	for i, b := range sum {
		hex[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(hex, ":")
}

// caller is one of them: it speaks if it was made to, and hears everybody else.
type caller struct {
	// immutable
	*callers
	speaks bool
	ssrc   uint32
	own    consent.Credentials
	socket *websocket.Conn
	conn   *net.UDPConn

	// run only, from join on
	offered  uint32 // descriptions
	sections int    // in which it receives

	answered  chan *livekit.SessionDescription // the first answer
	connected chan struct{}                    // closed when SRTP has its keys
	nominated chan struct{}                    // closed when a check of ours was answered
	once      sync.Once                        // of nominated
	running   sync.WaitGroup
	err       error // of the signal connection; read after done
	done      chan struct{}

	// Set before read begins.
	keeper *consent.Keeper
	far    net.Conn // what is written here is what DTLS reads

	// Of whoever sends, one at a time; set before connected is closed.
	sealer  *srtp.Sealer
	scratch srtp.Scratch
	packet  []byte
	next    uint64 // sequence number
	sent    atomic.Uint64

	mu    sync.Mutex
	heard map[uint32]*stream // mu guards; by SSRC
}

// stream is what a caller has heard of somebody.
type stream struct {
	received      uint64 // packets
	base, highest uint64 // extended sequence numbers
}

// missed is how many packets have not come, of those between the first and the last.
func (s *stream) missed() uint64 { return max(s.highest-s.base+1, s.received) - s.received }

// loudness of what callers say, in -dBov, and of their silence.
const (
	voice   = 25
	silence = 127
)

// join joins a room; connect has to follow.
func (cs *callers) join(ctx context.Context, room, identity string, speaks bool) (*caller, error) {
	bearer, err := mint(&token.Claims{Identity: identity, Video: &token.VideoGrant{RoomJoin: true, Room: room}})
	if err != nil {
		return nil, err
	}
	c := &caller{
		callers: cs, speaks: speaks, sections: 1, heard: map[uint32]*stream{},
		answered: make(chan *livekit.SessionDescription, 1), connected: make(chan struct{}), nominated: make(chan struct{}), done: make(chan struct{}),
	}
	var random [40]byte
	_, _ = rand.Read(random[:]) // it never fails
	c.ssrc = binary.BigEndian.Uint32(random[:]) | 1
	c.own = consent.Credentials{Ufrag: fmt.Sprintf("%x", random[4:12]), Password: fmt.Sprintf("%x", random[12:])}
	from := net.IPv4(127, 0, 0, 2+random[0]%addresses)
	if c.conn, err = net.DialUDP("udp4", &net.UDPAddr{IP: from}, cs.media); err != nil {
		return nil, err
	}
	m := &livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Version: "2.16.0", Protocol: 17},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
		PublisherOffer:     c.offer(),
	}
	if speaks {
		m.AddTrackRequests = []*livekit.AddTrackRequest{{
			Cid: "microphone", Name: "microphone", Type: livekit.TrackType_AUDIO, Source: livekit.TrackSource_MICROPHONE, DisableRed: true,
		}}
	}
	inner, err := proto.Marshal(m)
	if err == nil {
		inner, err = proto.Marshal(&livekit.WrappedJoinRequest{JoinRequest: inner})
	}
	if err != nil {
		panic("BUG: marshal join request: " + err.Error())
	}
	query := url.Values{"access_token": {bearer}, "join_request": {base64.URLEncoding.EncodeToString(inner)}}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	c.socket, _, err = websocket.Dial(ctx, cs.url+"/rtc/v1?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}},
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("dial: %w", err), c.conn.Close())
	}
	c.socket.SetReadLimit(1 << 20)
	c.running.Go(c.run)
	return c, nil
}

// offer is what it sends and receives.
func (c *caller) offer() *livekit.SessionDescription {
	c.offered++
	local := c.conn.LocalAddr().(*net.UDPAddr)
	transport := fmt.Sprintf("c=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=fingerprint:sha-256 %s\r\n"+
		"a=candidate:1 1 udp 2130706431 %s %d typ host\r\na=end-of-candidates\r\n",
		c.own.Ufrag, c.own.Password, c.fingerprint, local.IP, local.Port)
	const opus = "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
	var mids, sections string
	section := func(mid, what string) {
		mids += " " + mid
		sections += "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:" + mid + "\r\n" + what + opus + transport
	}
	if c.speaks {
		section("own", fmt.Sprintf("a=sendonly\r\na=msid:- microphone\r\na=ssrc:%d cname:caller\r\n", c.ssrc))
	}
	for i := range c.sections {
		section(strconv.Itoa(i), "a=recvonly\r\n")
	}
	return &livekit.SessionDescription{Type: "offer", Id: c.offered, Sdp: fmt.Sprintf("v=0\r\no=- %d %d IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE%s\r\n", c.ssrc, c.offered, mids) + sections}
}

// run reads what the server says until the connection ends.
func (c *caller) run() {
	defer close(c.done)
	for {
		_, b, err := c.socket.Read(context.Background())
		if err != nil {
			c.err = fmt.Errorf("%w: %w", errGone, err)
			return
		}
		var m livekit.SignalResponse
		if err := proto.Unmarshal(b, &m); err != nil {
			c.err = fmt.Errorf("decode signal message: %w", err)
			return
		}
		switch m := m.Message.(type) {
		case *livekit.SignalResponse_Answer:
			select {
			case c.answered <- m.Answer: // those that follow say nothing that it needs
			default:
			}
		case *livekit.SignalResponse_MediaSectionsRequirement:
			c.sections += int(m.MediaSectionsRequirement.NumAudios)
			c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Offer{Offer: c.offer()}})
		case *livekit.SignalResponse_Leave:
			c.err = fmt.Errorf("%w: %v", errLeft, m.Leave.GetReason())
			return
		}
	}
}

func (c *caller) send(m *livekit.SignalRequest) {
	b, err := proto.Marshal(m)
	if err != nil {
		panic("BUG: marshal signal request: " + err.Error())
	}
	_ = c.socket.Write(context.Background(), websocket.MessageBinary, b) // that it is gone shows in run
}

// connect brings up the connection that the server has answered.
func (c *caller) connect(ctx context.Context) error {
	var answer *livekit.SessionDescription
	select {
	case answer = <-c.answered:
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	remote := consent.Credentials{Ufrag: attribute(answer.Sdp, "ice-ufrag"), Password: attribute(answer.Sdp, "ice-pwd")}
	c.keeper = consent.New(c.own, remote, true, time.Now())
	var near net.Conn
	near, c.far = net.Pipe()
	defer c.far.Close() // that nothing of DTLS is read any more, nor said
	c.running.Go(c.read)
	if err := c.nominate(ctx, remote); err != nil {
		return fmt.Errorf("ICE: %w", err)
	}
	c.running.Go(func() {
		var b [2048]byte
		for {
			n, err := c.far.Read(b[:])
			if err != nil {
				return
			}
			_, _ = c.conn.Write(b[:n])
		}
	})
	conn, err := dtls.ClientWithOptions(dtlsnet.PacketConnFromConn(near), c.conn.RemoteAddr(),
		dtls.WithCertificates(c.certificate),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM),
	)
	if err == nil {
		err = conn.HandshakeContext(ctx)
	}
	if err == nil {
		c.sealer, err = sealerOf(conn)
	}
	if err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	c.far.Close()
	_ = conn.Close() // nobody hears of it
	close(c.connected)
	return nil
}

// sealerOf seals with the keys of the client that has shaken hands.
func sealerOf(conn *dtls.Conn) (*srtp.Sealer, error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("DTLS has no state")
	}
	material, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, srtp.AEADAES128GCM.KeyingLen())
	if err != nil {
		return nil, fmt.Errorf("export keys: %w", err)
	}
	keys, err := srtp.AEADAES128GCM.Split(material, true)
	if err != nil {
		return nil, err
	}
	return srtp.NewSealer(keys)
}

// attribute is the first of that name in a description.
func attribute(description, name string) string {
	for line := range strings.Lines(description) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "a="+name+":"); ok {
			return v
		}
	}
	return ""
}

// nominate has the server use the one path there is.
func (c *caller) nominate(ctx context.Context, remote consent.Credentials) error {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		check, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(remote.Ufrag+":"+c.own.Ufrag),
			ice.AttrControlling(c.ssrc), ice.PriorityAttr(1845501695), ice.UseCandidate(),
			stun.NewShortTermIntegrity(remote.Password), stun.Fingerprint)
		if err != nil {
			return err
		}
		_, _ = c.conn.Write(check.Raw)
		select {
		case <-c.nominated:
			return nil
		case <-again.C:
		case <-c.done:
			return c.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// read takes what comes until the socket is closed.
func (c *caller) read() {
	var b [2048]byte
	var reply [consent.MaxReply]byte
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(c.media.Port))
	for {
		n, err := c.conn.Read(b[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		switch {
		case err != nil || n == 0: // the server has no socket, or not yet
		case b[0] < 4: // RFC 7983 §7, STUN
			if b[0] == 1 && b[1] == 1 {
				c.once.Do(func() { close(c.nominated) })
			}
			if n, ok := c.keeper.Take(b[:n], from, reply[:], time.Now()); ok && n > 0 {
				_, _ = c.conn.Write(reply[:n])
			}
		case b[0] < 64:
			_, _ = c.far.Write(b[:n])
		case n >= 12 && (b[1] < 192 || b[1] > 223): // RFC 5761 §4, RTP
			c.hear(b[:n])
		}
	}
}

// hear counts a packet.
func (c *caller) hear(b []byte) {
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.heard[ssrc]
	if s == nil {
		first := 1<<16 | uint64(seq)
		s = &stream{base: first, highest: first}
		c.heard[ssrc] = s
	}
	s.received++
	if ahead := int16(seq - uint16(s.highest)); ahead > 0 {
		s.highest += uint64(ahead)
	}
}

// hears returns how many it has at least n packets of.
func (c *caller) hears(n uint64) (others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.heard {
		if s.received >= n {
			others++
		}
	}
	return others
}

// counted is how many packets it has heard and missed, of all.
func (c *caller) counted() (received, missed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.heard {
		received += s.received
		missed += s.missed()
	}
	return received, missed
}

// say sends a packet of 20 ms; its place in time is at that many of them.
func (c *caller) say(at uint64, level byte, size int) {
	n := c.next
	c.next++
	c.packet = append(c.packet[:0], 0x90, 111)
	c.packet = binary.BigEndian.AppendUint16(c.packet, uint16(n))
	c.packet = binary.BigEndian.AppendUint32(c.packet, uint32(at*960))
	c.packet = binary.BigEndian.AppendUint32(c.packet, c.ssrc)
	spoken := byte(0)
	if level < silence {
		spoken = 0x80
	}
	c.packet = append(c.packet, 0xbe, 0xde, 0, 1, 0x10, spoken|level, 0, 0)
	header := len(c.packet)
	for range size {
		c.packet = append(c.packet, byte(n))
	}
	c.packet[header] = 0x78 // CELT, 20 ms, mono, one frame (RFC 6716 §3.1)
	if _, err := c.conn.Write(c.sealer.RTP(&c.scratch, c.packet, header, n)); err == nil {
		c.sent.Add(1)
	}
}

// report says what SDKs say each five seconds: what it has received, and that it is there.
func (c *caller) report() {
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_PingReq{PingReq: &livekit.Ping{Timestamp: time.Now().UnixMilli()}}})
	var reports []rtcp.ReceptionReport
	c.mu.Lock()
	for ssrc, s := range c.heard {
		if len(reports) < 31 { // RFC 3550 §6.4.2: five bits
			reports = append(reports, rtcp.ReceptionReport{SSRC: ssrc, TotalLost: uint32(s.missed()), LastSequenceNumber: uint32(s.highest - 1<<16)})
		}
	}
	c.mu.Unlock()
	b, err := (&rtcp.ReceiverReport{SSRC: c.ssrc, Reports: reports}).Marshal()
	if err != nil {
		panic("BUG: marshal report: " + err.Error())
	}
	_, _ = c.conn.Write(c.sealer.RTCP(&c.scratch, append(make([]byte, 0, len(b)+srtp.MaxOverhead), b...)))
}

// leave says goodbye and closes everything.
func (c *caller) leave() {
	c.send(&livekit.SignalRequest{Message: &livekit.SignalRequest_Leave{
		Leave: &livekit.LeaveRequest{Reason: livekit.DisconnectReason_CLIENT_INITIATED},
	}})
	_ = c.socket.CloseNow()
	_ = c.conn.Close()
	c.running.Wait()
}
