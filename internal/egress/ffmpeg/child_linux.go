package ffmpeg

import (
	"os"

	"golang.org/x/sys/unix"
)

// widen asks for the most that a user may have.
func widen(f *os.File) {
	if conn, err := f.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) })
	}
}
