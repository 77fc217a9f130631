//go:build !linux

package tcp

import (
	"errors"
	"net"
)

const supported = false

func newConn(*net.TCPConn) (net.Conn, error) { return nil, errors.ErrUnsupported }
