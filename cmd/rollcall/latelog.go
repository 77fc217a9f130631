package main

import (
	"context"
	"log/slog"
	"sync"
)

// lateHandler does the work of With once something is logged: participants and their
// connections have loggers of their own, and most log nothing. What With is given must not
// change then.
type lateHandler struct {
	root   slog.Handler                    // immutable; says what is logged at all
	parent *lateHandler                    // immutable; nil: this is root's
	add    func(slog.Handler) slog.Handler // immutable; what With has added to parent
	once   sync.Once
	ready  slog.Handler // set by once
}

// late returns a handler that does as h does.
func late(h slog.Handler) slog.Handler { return &lateHandler{root: h} }

func (l *lateHandler) handler() slog.Handler {
	l.once.Do(func() {
		if l.ready = l.root; l.parent != nil {
			l.ready = l.add(l.parent.handler())
		}
	})
	return l.ready
}

// Enabled implements slog.Handler.
func (l *lateHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return l.root.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (l *lateHandler) Handle(ctx context.Context, r slog.Record) error {
	return l.handler().Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l *lateHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lateHandler{root: l.root, parent: l, add: func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) }}
}

// WithGroup implements slog.Handler.
func (l *lateHandler) WithGroup(name string) slog.Handler {
	return &lateHandler{root: l.root, parent: l, add: func(h slog.Handler) slog.Handler { return h.WithGroup(name) }}
}
