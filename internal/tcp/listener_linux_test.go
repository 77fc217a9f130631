package tcp

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestConnectionsAreKeptAliveAsThoseOfNet(t *testing.T) {
	accepted, dialled := pair(t)
	defer accepted.Close()
	defer dialled.Close()
	file := accepted.(*Conn).file
	for _, o := range keptAlive {
		err := file.Control(func(fd uintptr) {
			got, err := unix.GetsockoptInt(int(fd), o.level, o.option)
			if err != nil || got != o.value {
				t.Errorf("option %d of level %d is %d, %v; want %d", o.option, o.level, got, err, o.value)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
