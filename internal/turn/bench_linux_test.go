package turn

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/pion/turn/v5"
	"golang.org/x/sys/unix"
)

// BenchmarkSubscriber is what a packet costs the relay of one subscriber that gets bursts,
// in CPU of this process: media and the client are another. "alone" is pion with the
// sockets of net, packet by packet, and without the guards.
func BenchmarkSubscriber(b *testing.B) {
	for _, network := range []string{"udp", "tls"} {
		for _, of := range []string{"alone", "ours"} {
			b.Run(network+"/"+of, func(b *testing.B) {
				tc := newRig(b, func(o *Options) { o.MediaPorts, o.Limits.Bitrate = [2]uint16{1, 65535}, -1 })
				at := tc.addr(network)
				if of == "alone" {
					at = tc.alone(network)
				}
				c := tc.server.Admit("PA_alice")
				tc.drive(b, network, at.String(), c.Username, c.Password)
			})
		}
	}
}

func (tc *rig) addr(network string) net.Addr {
	udp, tcp := tc.server.Addrs()
	if network == "udp" {
		return udp
	}
	return tcp
}

// alone starts pion by itself.
func (tc *rig) alone(network string) (at net.Addr) {
	config := turn.ServerConfig{Realm: realm, LoggerFactory: pionLogs{tc.server.log}, AuthHandler: tc.server.authenticate}
	relays := &turn.RelayAddressGeneratorNone{Address: loopback.String()}
	if network == "udp" {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			tc.Fatal(err)
		}
		at = c.LocalAddr()
		config.PacketConnConfigs = []turn.PacketConnConfig{{PacketConn: c, RelayAddressGenerator: relays, PermissionHandler: tc.server.permits}}
	} else {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: tc.server.opts.Certificate})
		if err != nil {
			tc.Fatal(err)
		}
		at = l.Addr()
		config.ListenerConfigs = []turn.ListenerConfig{{Listener: l, RelayAddressGenerator: relays, PermissionHandler: tc.server.permits}}
	}
	s, err := turn.NewServer(config)
	if err != nil {
		tc.Fatal(err)
	}
	tc.Cleanup(func() { _ = s.Close() })
	return at
}

// drive has the other process send and get bursts.
func (tc *rig) drive(b *testing.B, how ...string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestTheOtherProcess$")
	cmd.Env = append(os.Environ(), "TURN_PEER="+fmt.Sprint(len(how)))
	for i, s := range how {
		cmd.Env = append(cmd.Env, fmt.Sprintf("TURN_PEER_%d=%s", i, s))
	}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	run := func(bursts int) (lost int) {
		_, _ = fmt.Fprintln(in, bursts)
		if _, err := fmt.Fscan(out, &lost); err != nil {
			b.Fatal(err)
		}
		return lost
	}
	run(2000) // the first records of a connection are short, in crypto/tls
	bursts := (b.N + burst - 1) / burst
	var before, after unix.Rusage
	b.ResetTimer()
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	lost := run(bursts)
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	b.StopTimer()
	cpu := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	packets := float64(bursts * burst)
	b.ReportMetric(float64(cpu)/packets, "cpu-ns/packet")
	b.ReportMetric(float64(lost)/packets, "lost/packet")
	b.ReportMetric(float64(after.Nvcsw-before.Nvcsw)/packets, "waits/packet")
}

// TestTheOtherProcess is media and the client of the benchmark.
func TestTheOtherProcess(t *testing.T) {
	if os.Getenv("TURN_PEER") == "" {
		t.Skip("it is a part of BenchmarkSubscriber")
	}
	network, at := os.Getenv("TURN_PEER_0"), os.Getenv("TURN_PEER_1")
	var conn net.PacketConn
	if network == "udp" {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		conn = newTrains(t, c)
	} else {
		c, err := tls.Dial("tcp", at, &tls.Config{InsecureSkipVerify: true}) // signed by itself
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: os.Getenv("TURN_PEER_2"), Password: os.Getenv("TURN_PEER_3"),
	})
	if err == nil {
		err = client.Listen()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	relayed, err := client.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	m := newMedia(t)
	for range 20 { // a channel is bound meanwhile
		if _, err := relayed.WriteTo([]byte("bind"), m.LocalAddr()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	b := make([]byte, maxPacket)
	var bursts int
	for {
		if _, err := fmt.Scan(&bursts); err != nil {
			return
		}
		lost := 0
		for range bursts {
			m.send(relayed.LocalAddr(), 0, burst, alike)
			for i := range burst {
				_ = relayed.SetReadDeadline(time.Now().Add(time.Second))
				if _, _, err := relayed.ReadFrom(b); err != nil {
					lost += burst - i
					break
				}
			}
		}
		fmt.Println(lost)
	}
}
