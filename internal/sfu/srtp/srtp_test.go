package srtp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	pion "github.com/pion/srtp/v3"
)

var profiles = map[Profile]pion.ProtectionProfile{
	AES128CMHMACSHA180: pion.ProtectionProfileAes128CmHmacSha1_80,
	AEADAES128GCM:      pion.ProtectionProfileAeadAes128Gcm,
	AEADAES256GCM:      pion.ProtectionProfileAeadAes256Gcm,
}

// ends are both ends of a connection, and pion's contexts with the keys of the
// first.
type ends struct {
	sealer *Sealer
	opener *Opener // for what sealer sends
	pionTo *pion.Context
}

func newEnds(t testing.TB, p Profile) ends {
	t.Helper()
	material := make([]byte, p.KeyingLen())
	if _, err := rand.Read(material); err != nil {
		t.Fatal(err)
	}
	ours, err := p.Split(material, false)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := p.Split(material, true)
	if err != nil {
		t.Fatal(err)
	}
	var e ends
	if e.sealer, err = NewSealer(ours); err != nil {
		t.Fatal(err)
	}
	if e.opener, err = NewOpener(theirs); err != nil {
		t.Fatal(err)
	}
	e.pionTo, err = pion.CreateContext(ours.LocalKey, ours.LocalSalt, profiles[p])
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func packet(t testing.TB, ssrc uint32, seq uint16, payload string) ([]byte, int) {
	t.Helper()
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, PayloadType: 96, SSRC: ssrc, SequenceNumber: seq, CSRC: []uint32{1, 2}},
		Payload: []byte(payload),
	}
	if err := p.SetExtension(3, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	b, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return append(make([]byte, 0, len(b)+MaxOverhead), b...), p.MarshalSize() - len(payload)
}

func each(t *testing.T, test func(t *testing.T, p Profile, e ends)) {
	for p := range profiles {
		t.Run(p.String(), func(t *testing.T) { test(t, p, newEnds(t, p)) })
	}
}

func TestPionOpensWhatWeSeal(t *testing.T) {
	each(t, func(t *testing.T, _ Profile, e ends) {
		var stream Stream
		for _, seq := range []uint16{65533, 65534, 0, 1, 65535, 2} { // over the rollover, one late
			plain, header := packet(t, 77, seq, "hello")
			want := bytes.Clone(plain)
			index, ok := stream.Index(seq)
			if !ok {
				t.Fatalf("no index for %d", seq)
			}
			sealed := e.sealer.RTP(new(Scratch), plain, header, index)
			if n := len(want) + e.sealer.Overhead(); len(sealed) != n {
				t.Errorf("%d bytes, want %d", len(sealed), n)
			}
			got, err := e.pionTo.DecryptRTP(nil, sealed, nil)
			if err != nil {
				t.Fatalf("packet %d: %v", seq, err)
			}
			equal(t, fmt.Sprint("packet ", seq), got, want)
		}
		for range 3 {
			plain, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 5}, &rtcp.PictureLossIndication{SenderSSRC: 5, MediaSSRC: 9}})
			if err != nil {
				t.Fatal(err)
			}
			sealed := e.sealer.RTCP(new(Scratch), append(make([]byte, 0, 100), plain...))
			got, err := e.pionTo.DecryptRTCP(nil, sealed, nil)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "reports", got, plain)
		}
	})
}

func TestWeOpenWhatPionSeals(t *testing.T) {
	each(t, func(t *testing.T, _ Profile, e ends) {
		for _, seq := range []uint16{65533, 65534, 0, 1, 65535, 2} {
			plain, _ := packet(t, 77, seq, "hello")
			sealed, err := e.pionTo.EncryptRTP(nil, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.opener.RTP(new(Scratch), sealed)
			if err != nil {
				t.Fatalf("packet %d: %v", seq, err)
			}
			equal(t, fmt.Sprint("packet ", seq), got, plain)
		}
		plain, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 5}})
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := e.pionTo.EncryptRTCP(nil, plain, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.opener.RTCP(new(Scratch), sealed)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "report", got, plain)
	})
}

func TestReplayedAndForgedPacketsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, _ Profile, e ends) {
		var stream Stream
		seal := func(seq uint16) []byte {
			plain, header := packet(t, 77, seq, "payload")
			index, _ := stream.Index(seq)
			return e.sealer.RTP(new(Scratch), plain, header, index)
		}
		open := func(b []byte) error {
			_, err := e.opener.RTP(new(Scratch), bytes.Clone(b))
			return err
		}
		first, second := seal(100), seal(101)
		for i := range second {
			forged := bytes.Clone(second)
			forged[i] ^= 0x40
			if err := open(forged); err == nil {
				t.Fatalf("taken with byte %d changed", i)
			}
		}
		for n := range second {
			if err := open(second[:n]); err == nil {
				t.Fatalf("taken with %d bytes", n)
			}
		}
		for _, b := range [][]byte{second, first} {
			if err := open(b); err != nil {
				t.Fatal(err)
			}
			if err := open(b); !errors.Is(err, ErrReplay) {
				t.Errorf("the second time: %v", err)
			}
		}
		if err := open(seal(101 + windowSize)); err != nil {
			t.Fatal(err)
		}
		if err := open(first); !errors.Is(err, ErrReplay) {
			t.Errorf("older than the window: %v", err)
		}
		report := func() []byte {
			return e.sealer.RTCP(new(Scratch), append(make([]byte, 0, 50), 0x80, 201, 0, 1, 0, 0, 0, 5))
		}
		b := report()
		for i := range b {
			forged := bytes.Clone(b)
			forged[i] ^= 0x40
			if _, err := e.opener.RTCP(new(Scratch), forged); err == nil {
				t.Fatalf("report taken with byte %d changed", i)
			}
		}
		if _, err := e.opener.RTCP(new(Scratch), bytes.Clone(b)); err != nil {
			t.Fatal(err)
		}
		if _, err := e.opener.RTCP(new(Scratch), b); !errors.Is(err, ErrReplay) {
			t.Errorf("report for the second time: %v", err)
		}
		if _, err := e.opener.RTCP(new(Scratch), report()); err != nil {
			t.Errorf("the next report: %v", err)
		}
	})
}

func TestSequenceNumbersAreExtendedOverManyRollovers(t *testing.T) {
	var stream Stream
	for want := uint64(60000); want < 5<<16; want += 1000 {
		if got, ok := stream.Index(uint16(want)); !ok || got != want {
			t.Fatalf("index %d, want %d", got, want)
		}
		late := want - 900
		if got, ok := stream.Index(uint16(late)); !ok || got != late {
			t.Fatalf("late index %d, want %d", got, late)
		}
	}
	var fresh Stream
	fresh.Index(2)
	if _, ok := fresh.Index(65534); ok {
		t.Error("a number from before the first has an index")
	}
}

func TestStreamIsSafeForConcurrentUse(t *testing.T) {
	var stream Stream
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100000 {
				want := uint64(4*i + g)
				if got, ok := stream.Index(uint16(want)); ok && uint16(got) != uint16(want) {
					t.Errorf("index %d for %d", got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestAClientCannotFillTheMemoryWithSSRCs(t *testing.T) {
	e := newEnds(t, AEADAES128GCM)
	for ssrc := range uint32(3 * maxWindows) {
		plain, header := packet(t, ssrc, 1, "x")
		if _, err := e.opener.RTP(new(Scratch), e.sealer.RTP(new(Scratch), plain, header, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(e.opener.rtpSeen.bySSRC); n > maxWindows {
		t.Errorf("%d SSRCs are remembered", n)
	}
}

// AES-GCM allocates nothing; AES-CM a key stream to seal and one to open, see keyStream.
func TestSealingAndOpeningAllocateNoMoreThanKeyStreams(t *testing.T) {
	for p, most := range map[Profile]float64{AEADAES128GCM: 0, AEADAES256GCM: 0, AES128CMHMACSHA180: 2} {
		e := newEnds(t, p)
		sc := new(Scratch)
		plain, header := packet(t, 1, 0, string(make([]byte, 1100)))
		b := make([]byte, 0, 1500)
		var stream Stream
		seq := uint16(0)
		if n := testing.AllocsPerRun(1000, func() {
			b = append(b[:0], plain...)
			seq++
			binary.BigEndian.PutUint16(b[2:], seq)
			index, _ := stream.Index(seq)
			sealed := e.sealer.RTP(sc, b, header, index)
			if _, err := e.opener.RTP(sc, sealed); err != nil {
				t.Fatal(err)
			}
		}); n > most {
			t.Errorf("%v: %v allocations for a packet, at most %v", p, n, most)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, seed := range [][]byte{
		nil, {0x80}, make([]byte, 40),
		{0x9f, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0xff, 0xff},
		{0x81, 200, 0, 1, 0, 0, 0, 1, 0x80, 0, 0, 1},
	} {
		f.Add(seed)
	}
	e := newEnds(f, AEADAES128GCM)
	cm := newEnds(f, AES128CMHMACSHA180)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []*Opener{e.opener, cm.opener} {
			if _, err := o.RTP(new(Scratch), bytes.Clone(b)); err == nil {
				t.Error("opened without the key")
			}
			if _, err := o.RTCP(new(Scratch), bytes.Clone(b)); err == nil {
				t.Error("opened without the key")
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for p := range profiles {
		b.Run(p.String(), func(b *testing.B) {
			e := newEnds(b, p)
			sc := new(Scratch)
			plain, header := packet(b, 1, 0, string(make([]byte, 1100)))
			buf := make([]byte, 0, 1500)
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				e.sealer.RTP(sc, append(buf[:0], plain...), header, i)
			}
		})
	}
}
