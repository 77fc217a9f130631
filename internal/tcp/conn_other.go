//go:build !linux

package tcp

import (
	"errors"
	"net"
)

const supported = false

func wrap(*net.TCPListener) (net.Listener, error) { return nil, errors.ErrUnsupported }
