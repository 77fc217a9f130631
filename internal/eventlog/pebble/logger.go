package pebble

import (
	"fmt"
	"log/slog"
)

// logger takes Pebble's lines into slog, and its fatal errors to the store.
type logger struct {
	slog *slog.Logger
	fail func(error)
}

func (l logger) Infof(format string, args ...any) {
	l.slog.Debug("pebble", "message", fmt.Sprintf(format, args...))
}

func (l logger) Errorf(format string, args ...any) {
	l.slog.Error("pebble", "message", fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble would go on with a state that it has given up.
// Its caller, one of our writes or a goroutine of Pebble's, is parked for the
// short rest of the process's life.
func (l logger) Fatalf(format string, args ...any) {
	err := &fatalError{message: fmt.Sprintf(format, args...)}
	for _, arg := range args {
		if cause, ok := arg.(error); ok {
			err.cause = cause
		}
	}
	l.fail(err)
	select {}
}

// fatalError is a fatal error of Pebble's, whose text comes with %v and would
// hide the errno in it.
type fatalError struct {
	message string
	cause   error
}

func (e *fatalError) Error() string { return e.message }
func (e *fatalError) Unwrap() error { return e.cause }
