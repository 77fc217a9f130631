package config

import (
	"strings"
	"testing"
	"time"
)

func TestLengthsOfTimeAndSizesHaveUnits(t *testing.T) {
	c := mustLoad(t, goodKeys+"log: {retention_age: 2d, retention_size: 3MiB, quota: 4000}\n", nil)
	if c.Log != (Log{48 * time.Hour, 3 << 20, 4000}) {
		t.Errorf("%+v", c.Log)
	}
	c = mustLoad(t, goodKeys+"log: {retention_age: 0, quota: 0}\n", []string{"ROLLCALL_LOG_RETENTION_SIZE=1kB"})
	if c.Log != (Log{0, 1000, 0}) {
		t.Errorf("%+v", c.Log)
	}
	for _, bad := range []string{
		"retention_age: 7", "retention_age: -1h", "retention_age: 1ms", "retention_age: d", "retention_age: [1h]", "retention_age: 99999d",
		"retention_size: 1.5GB", "retention_size: -1", "quota: 9TBs", "quota: 9999999999TiB", "quota: GiB",
	} {
		key, _, _ := strings.Cut(bad, ":")
		if _, err := load(t, goodKeys+"log: {"+bad+"}\n", nil); err == nil || !strings.Contains(err.Error(), "log."+key) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
