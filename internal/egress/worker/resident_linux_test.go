package worker

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// smaps are mappings of a program in lines of smaps, with the fields that count.
func smaps(mappings ...[3]string) []byte {
	var b strings.Builder
	for _, m := range mappings {
		fmt.Fprintf(&b, "%s\nSize: 100 kB\nRss: 60 kB\n", m[0])
		for _, name := range []string{"Private_Dirty", "Anonymous", "Swap"} {
			n := 0
			if strings.Contains(m[1], name) {
				n = 4
			}
			fmt.Fprintf(&b, "%s: %d kB\n", name, n)
		}
		fmt.Fprintf(&b, "VmFlags: %s \n", m[2])
	}
	return []byte(b.String())
}

func TestOnlyWhatIsAsInTheFileIsGivenBack(t *testing.T) {
	got := clean(smaps(
		[3]string{"00400000-01c00000 r-xp 00000000 fe:00 123 /usr/bin/rollcall", "", "rd ex mr mw me"},
		[3]string{"01c00000-03000000 r--p 01800000 fe:00 123 /usr/bin/rollcall", "", "rd mr mw me"},
		[3]string{"03000000-03100000 rw-p 02c00000 fe:00 123 /usr/bin/rollcall", "", "rd wr mr mw me"},
		[3]string{"03100000-03200000 r--p 02d00000 fe:00 123 /usr/bin/rollcall", "Anonymous", "rd mr mw me"},     // relocated, then sealed
		[3]string{"03200000-03300000 r--p 02d00000 fe:00 123 /usr/bin/rollcall", "Private_Dirty", "rd mr mw me"}, // has just been built
		[3]string{"03300000-03400000 r-xp 02d00000 fe:00 123 /usr/bin/rollcall", "Swap", "rd ex mr mw me"},       // likewise
		[3]string{"03400000-03500000 r-xp 02d00000 fe:00 123 /usr/bin/rollcall", "", "rd ex mr mw me lo"},        // locked
		[3]string{"03500000-03600000 r--s 02d00000 fe:00 123 /usr/bin/rollcall", "", "rd mr mw me ms"},           // shared
		[3]string{"7f0000000000-7f0000100000 r-xp 00000000 fe:00 9 /usr/lib/libc.so.6", "", "rd ex mr mw me"},
		[3]string{"7f0000100000-7f0000200000 rw-p 00000000 00:00 0", "Anonymous", "rd wr mr mw me"},
		[3]string{"7fffffffe000-7ffffffff000 r-xp 00000000 00:00 0 [vdso]", "", "rd ex mr mw me de"},
		[3]string{"7f0000200000-7f0000300000 r--p 02d00000 fe:00 123 /usr/bin/rollcall", "", "rd mr mw me"},
	), "/usr/bin/rollcall")
	want := []mapping{{0x400000, 0x1c00000}, {0x1c00000, 0x3000000}, {0x3200000, 0x3300000}, {0x7f0000200000, 0x7f0000300000}}
	if !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
	if got := clean(smaps([3]string{"400000-500000 r-xp 0 fe:00 123 /tmp/a b (deleted)", "", "rd ex"}), "/tmp/a b (deleted)"); len(got) != 1 {
		t.Errorf("of a program that is no more: %x", got)
	}
	for _, broken := range []string{"", "VmFlags: rd\n", "400000 r-xp 0 fe:00 123 /p\nAnonymous: 0 kB\n", "zz-1 r-xp 0 fe:00 123 /p\n", "400000-500000 r-xp 0 fe:00 123 /p\n"} {
		if got := clean([]byte(broken), "/p"); len(got) != 0 {
			t.Errorf("%q: %x", broken, got)
		}
	}
}

// resident is how much of this program's file is mapped and there, in bytes.
func resident(t *testing.T) (n int) {
	t.Helper()
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	own := false
	for line := range strings.Lines(string(smaps)) {
		words := strings.Fields(line)
		if !strings.HasSuffix(words[0], ":") {
			own = head(words, path) != nil
			continue
		}
		kib := 0
		if own && words[0] == "Rss:" {
			if _, err := fmt.Sscan(words[1], &kib); err != nil {
				t.Fatal(err)
			}
			n += kib << 10
		}
	}
	return n
}

// What was given back is there again when it is needed.
func TestProgramGoesOnWithoutWhatItLoaded(t *testing.T) {
	before := resident(t)
	for range 3 {
		unload()
		if after := resident(t); before == 0 || after >= before {
			t.Errorf("%d of the program's file are resident, %d before", after, before)
		}
	}
	s := newScript(t, job(t.TempDir()+"/a.ogg", "audio/x"))
	s.track(0, 0).play(1e9, 0)
	if made := file(t, s.run(passing)); made.Bytes == 0 {
		t.Errorf("%+v", made)
	}
}
