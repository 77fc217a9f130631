//go:build linux

package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxFrame is more than an Ethernet frame with a VLAN tag.
const maxFrame = 2048

// inFlight is how many frames can be on the way in one direction.
const inFlight = 1 << 14

// direction carries frames from one device to the other.
type direction struct {
	mu     sync.Mutex
	impair *impairment // mu guards
	way    chan frame  // in order of arrival
}

type frame struct {
	bytes []byte
	at    time.Time
}

func newDirection(seed uint64) *direction {
	return &direction{impair: newImpairment(seed), way: make(chan frame, inFlight)}
}

// set changes what s is not nil for, and returns what happened so far.
func (d *direction) set(s *settings) counts {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s != nil {
		d.impair.set(*s, time.Now())
	}
	return d.impair.counts
}

func (d *direction) current() settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.impair.settings
}

// read takes what the device sends, until it is closed.
func (d *direction) read(from io.Reader) error {
	defer close(d.way)
	buf := make([]byte, maxFrame)
	for {
		n, err := from.Read(buf)
		if err != nil {
			if down(err) {
				time.Sleep(time.Millisecond)
				continue
			}
			return err
		}
		d.mu.Lock()
		at, passes := d.impair.pass(time.Now(), n)
		d.mu.Unlock()
		if !passes {
			continue
		}
		select {
		case d.way <- frame{append([]byte(nil), buf[:n]...), at}:
		default: // more on the way than a sane test has
		}
	}
}

// write hands over each frame when it arrives. A frame for a device that is down
// is lost.
func (d *direction) write(to io.Writer) error {
	for f := range d.way {
		time.Sleep(time.Until(f.at))
		if _, err := to.Write(f.bytes); err != nil && !down(err) {
			return err
		}
	}
	return nil
}

// down says that the device is there but not up.
func down(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.EINVAL) && !errors.Is(err, os.ErrClosed)
}
