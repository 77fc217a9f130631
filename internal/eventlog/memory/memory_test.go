package memory_test

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/memory"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

// disk is a store whose every batch is at once durable.
type disk struct{ store *memory.Store }

func (d disk) Open() (eventlog.Store, error)  { return d.store, nil }
func (d disk) PowerCut(uint64) storetest.Disk { return disk{d.store.Clone()} }

func TestMemoryPassesTheSuite(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Disk { return disk{memory.New()} }, storetest.Options{})
}
