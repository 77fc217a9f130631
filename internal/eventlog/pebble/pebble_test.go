package pebble_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/rollcall-rtc/rollcall/internal/eventlog"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/pebble"
	"github.com/rollcall-rtc/rollcall/internal/eventlog/storetest"
)

var powerCuts = flag.Int("powercuts", 64, "how many random power cuts to simulate")

// smallMemTable makes a few hundred events flush and compact.
const smallMemTable = 64 << 10

// disk is a file system in memory that knows what was synced.
type disk struct{ fs *vfs.MemFS }

func (d disk) Open() (eventlog.Store, error) {
	return pebble.Open(pebble.Options{Dir: "log", FS: d.fs, MemTableSize: smallMemTable})
}

func (d disk) PowerCut(seed uint64) storetest.Disk {
	rng := rand.New(rand.NewPCG(seed, 3))
	return disk{d.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})}
}

func TestPebblePassesTheSuite(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Disk { return disk{vfs.NewCrashableMem()} },
		storetest.Options{PowerCuts: *powerCuts})
}
