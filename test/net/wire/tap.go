//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// openTap makes an Ethernet device in the network namespace at path, or in our
// own if path is empty. Closing the file removes the device.
func openTap(path, name string) (*os.File, error) {
	if path == "" {
		return makeTap(name)
	}
	// The thread that was in another namespace is not given back.
	type made struct {
		file *os.File
		err  error
	}
	result := make(chan made)
	go func() {
		runtime.LockOSThread()
		file, err := func() (*os.File, error) {
			ns, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return nil, fmt.Errorf("enter %s: %w", path, err)
			}
			return makeTap(name)
		}()
		result <- made{file, err}
	}()
	m := <-result
	return m.file, m.err
}

func makeTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		// Without the offloads of other devices: each frame is a packet as on a cable.
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), "tap "+name), nil
}
