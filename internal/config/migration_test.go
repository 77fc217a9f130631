package config

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The livekit.yaml of docs/migration.md loads, and the table below it names what
// has no effect.
func TestMigrationPageNamesWhatHasNoEffect(t *testing.T) {
	page, err := os.ReadFile("../../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	file := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindSubmatch(page)
	if file == nil {
		t.Fatal("there is no livekit.yaml in it")
	}
	c := mustLoad(t, string(file[1]), nil)
	if c.Room.MaxParticipants != 50 || !c.TURN.Enabled || c.RTC.AllowPause || c.RTC.PortRangeEnd != 60000 || len(c.Webhook.URLs) != 1 || len(c.Warnings) != 0 {
		t.Errorf("it is read wrongly: %+v", c)
	}
	_, table, _ := strings.Cut(string(page), "| without effect | because |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var told, got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(table, -1) {
		told = append(told, m[1])
	}
	for _, u := range c.Unsupported {
		name, _, _ := strings.Cut(u, " ")
		got = append(got, name)
	}
	if !slices.Equal(told, got) {
		t.Errorf("docs/migration.md tells of %q, the server of %q", told, got)
	}
	// What else it says has no effect is known, and has none.
	_, also, _ := strings.Cut(string(page), "\nAlso without effect: ")
	also, _, _ = strings.Cut(also, ". Values that")
	keys := regexp.MustCompile("`([a-z_.]+)`").FindAllStringSubmatch(also, -1)
	if len(keys) < 8 {
		t.Errorf("%d keys are told of beside it", len(keys))
	}
	for _, m := range keys {
		supports := func(k key) bool { return k.path == m[1] }
		knows := func(k string) bool { return strings.HasPrefix(k, m[1]) }
		if m[1] != "allow_pause" && (slices.ContainsFunc(supported, supports) || !slices.ContainsFunc(known, knows)) {
			t.Errorf("%s has an effect now, or is no key of LiveKit's", m[1])
		}
	}
}
