//go:build !linux

package pebble

import "errors"

func newSyncer(uintptr, bool) (syncer, error) { return nil, errors.ErrUnsupported }
