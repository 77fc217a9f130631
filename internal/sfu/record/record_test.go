package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
)

func pair(t testing.TB) (*Sealer, *Opener) {
	t.Helper()
	key, iv := bytes.Repeat([]byte{7}, 16), []byte{1, 2, 3, 4}
	s, err := NewSealer(key, iv)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOpener(key, iv)
	if err != nil {
		t.Fatal(err)
	}
	return s, o
}

func TestWhatIsSealedOpens(t *testing.T) {
	s, o := pair(t)
	for _, payload := range []string{"", "x", "hello", string(make([]byte, 1200))} {
		b, err := s.Seal(nil, ApplicationData, []byte(payload))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != len(payload)+Overhead || !IsData(b) {
			t.Errorf("%d bytes sealed are %d, data %v", len(payload), len(b), IsData(b))
		}
		got, err := o.Open(b)
		if err != nil || string(got) != payload {
			t.Errorf("opened %d bytes, %v", len(got), err)
		}
	}
}

func TestARecordOpensOnce(t *testing.T) {
	s, o := pair(t)
	var all [][]byte
	for range 100 {
		b, _ := s.Seal(nil, ApplicationData, []byte("hello"))
		all = append(all, b)
	}
	for _, i := range []int{1, 0, 70, 69, 8} {
		if _, err := o.Open(bytes.Clone(all[i])); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
	for _, i := range []int{0, 1, 2, 6, 8, 69, 70} { // 2 and 6 are too old by now
		if _, err := o.Open(bytes.Clone(all[i])); !errors.Is(err, ErrReplay) {
			t.Errorf("record %d again: %v", i, err)
		}
	}
	if _, err := o.Open(bytes.Clone(all[7])); err != nil {
		t.Errorf("the oldest in the window: %v", err)
	}
}

func TestWhatWasChangedDoesNotOpen(t *testing.T) {
	s, o := pair(t)
	b, _ := s.Seal(nil, ApplicationData, []byte("hello"))
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if got, err := o.Open(bad); err == nil && i != 1 && i != 2 { // the version is in what is authentic as it must be
			t.Errorf("opened with byte %d changed: %q", i, got)
		}
	}
	for i := range b {
		if _, err := o.Open(bytes.Clone(b[:i])); err == nil {
			t.Errorf("opened the first %d bytes", i)
		}
	}
}

// The layout, by RFC 6347 §4.1 and RFC 5288 §3: kind, version, epoch, number,
// length, explicit nonce.
func TestLayout(t *testing.T) {
	s, _ := pair(t)
	b, _ := s.Seal(nil, Alert, []byte{1, 0})
	if got, want := hex.EncodeToString(b[:header+nonce]), "15"+"fefd"+"0001"+"000000010000"+"001a"+"0001000000010000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSealingAllocatesNothing(t *testing.T) {
	s, o := pair(t)
	room, payload := make([]byte, 0, 300), make([]byte, 200)
	if n := testing.AllocsPerRun(100, func() {
		b, _ := s.Seal(room, ApplicationData, payload)
		_, _ = o.Open(b)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzOpen(f *testing.F) {
	s, _ := pair(f)
	b, _ := s.Seal(nil, ApplicationData, []byte("hello"))
	f.Add(b)
	f.Add(b[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, o := pair(t)
		for rest := b; ; {
			one, more, ok := Split(rest)
			if !ok {
				break
			}
			if IsData(one) {
				_, _ = o.Open(bytes.Clone(one))
			}
			rest = more
		}
	})
}
