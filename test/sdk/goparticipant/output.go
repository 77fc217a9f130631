package main

import (
	"encoding/json"
	"io"
	"maps"
	"sync"
)

// output writes one JSON object per line; SDK callbacks come from many goroutines.
type output struct {
	mu  sync.Mutex
	enc *json.Encoder // mu guards
}

func newOutput(w io.Writer) *output {
	return &output{enc: json.NewEncoder(w)}
}

// event writes a line that carries the event's name and its fields.
func (o *output) event(name string, fields map[string]any) {
	line := map[string]any{"event": name}
	maps.Copy(line, fields)
	o.mu.Lock()
	defer o.mu.Unlock()
	// The reader is the harness that started us: when it is gone, so are we.
	if err := o.enc.Encode(line); err != nil {
		panic("BUG: write event: " + err.Error())
	}
}
