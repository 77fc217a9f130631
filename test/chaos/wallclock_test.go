//go:build linux && amd64

package chaos

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wallClock is the wall clock of another process, which this one sets.
//
// Go asks the kernel's page of functions, the vDSO, what time it is. Its pages are the
// process's own once they are written to, so that what is set is the clock of that
// process alone: the rest of the machine does not notice, and its monotonic clock goes
// on as every clock that is set does.
type wallClock struct {
	t   *testing.T
	mem *os.File
	at  int64 // of the offset, in seconds
}

// clockGettime is clock_gettime(2) as the kernel has it, whose answer for
// CLOCK_REALTIME, 0, has the eight bytes behind it added to its seconds.
var clockGettime = []byte{
	0x57,                         // push rdi
	0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228: SYS_clock_gettime
	0x0f, 0x05, // syscall
	0x5f,       // pop rdi
	0x85, 0xff, // test edi, edi
	0x75, 0x0a, // jnz ret
	0x48, 0x8b, 0x0d, 0x04, 0x00, 0x00, 0x00, // mov rcx, [rip+4]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
}

// takeClock takes the clock of a process over. It shows the right time still.
func takeClock(t *testing.T, pid int) *wallClock {
	t.Helper()
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mem.Close() })
	from, to := vdsoOf(t, pid)
	image := make([]byte, to-from)
	if _, err := mem.ReadAt(image, from); err != nil {
		t.Fatalf("read the vDSO: %v", err)
	}
	entry := from + functionIn(t, image, "__vdso_clock_gettime", uint64(len(clockGettime)+8))
	code := append(bytes.Clone(clockGettime), make([]byte, 8)...)
	within := func(pc int64) bool { return pc >= entry && pc < entry+int64(len(code)) }

	// Nobody may be in the middle of what is replaced.
	deadline := time.Now().Add(patience)
	for {
		if time.Now().After(deadline) {
			t.Fatal("the process is always asking what time it is")
		}
		stop(t, pid, deadline)
		if !anyThread(t, pid, within) {
			break
		}
		must(t, syscall.Kill(pid, syscall.SIGCONT))
		time.Sleep(time.Millisecond)
	}
	if _, err := mem.WriteAt(code, entry); err != nil {
		t.Fatalf("write the vDSO: %v", err)
	}
	must(t, syscall.Kill(pid, syscall.SIGCONT))
	return &wallClock{t: t, mem: mem, at: entry + int64(len(clockGettime))}
}

// set has the clock be that far ahead of the right time.
func (c *wallClock) set(ahead time.Duration) {
	c.t.Helper()
	if _, err := c.mem.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), c.at); err != nil {
		c.t.Fatalf("set the clock: %v", err)
	}
}

// vdsoOf is where a process has the vDSO.
func vdsoOf(t *testing.T, pid int) (from, to int64) {
	t.Helper()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), "[vdso]") {
			if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); err != nil {
				t.Fatal(err)
			}
			return from, to
		}
	}
	t.Fatal("the process has no vDSO")
	return 0, 0
}

// functionIn is where a function of at least so many bytes is in an ELF image.
func functionIn(t *testing.T, image []byte, name string, size uint64) int64 {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(image))
	must(t, err)
	symbols, err := f.DynamicSymbols()
	must(t, err)
	for _, s := range symbols {
		if s.Name == name && s.Size >= size {
			for _, p := range f.Progs {
				if p.Type == elf.PT_LOAD {
					return int64(s.Value - p.Vaddr + p.Off)
				}
			}
		}
	}
	t.Fatalf("there is no %s of %d bytes", name, size)
	return 0
}

// stop stops all threads of a process, and returns when they have.
func stop(t *testing.T, pid int, deadline time.Time) {
	t.Helper()
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	for !time.Now().After(deadline) {
		running := false
		for _, thread := range threads(t, pid) {
			stat, err := os.ReadFile(filepath.Join(thread, "stat"))
			if err != nil {
				continue // it has ended
			}
			// pid (name) state …, and a name may have any bytes.
			_, rest, _ := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), " ")
			running = running || !strings.HasPrefix(rest, "T")
		}
		if !running {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("the process does not stop")
}

// anyThread reports whether a thread of a stopped process is at such a place.
func anyThread(t *testing.T, pid int, at func(pc int64) bool) bool {
	t.Helper()
	for _, thread := range threads(t, pid) {
		call, err := os.ReadFile(filepath.Join(thread, "syscall"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(call)) // the last is the program counter
		pc, err := strconv.ParseInt(strings.TrimPrefix(fields[len(fields)-1], "0x"), 16, 64)
		if err != nil || at(pc) {
			return true // "running" is not stopped after all
		}
	}
	return false
}

func threads(t *testing.T, pid int) []string {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	must(t, err)
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
