//go:build !linux

package pebble

import "errors"

type datasync struct{}

func newDatasync(uintptr) (*datasync, error) { return nil, errors.ErrUnsupported }

func (*datasync) sync() (bool, error) { return false, nil }
func (*datasync) close()              {}
