package config

import (
	"fmt"
	"strings"
	"testing"
)

const anasHash = "$2a$04$Q9wZ3Mv1mFQx1bB0XbB1iuCyvGn9mG3u4sFUxQ0eQKcKj8k0m1r3K"

func loadText(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return Load(&Flags{}, []string{"ROLLCALL_CONFIG=keys: {k: a-secret-of-at-least-32-characters}\n" + text})
}

func TestDashboardUsersAreHashesByName(t *testing.T) {
	c, err := loadText(t, "dashboard: {users: {ana: '"+anasHash+"'}}\n")
	if err != nil || c.Dashboard.Users["ana"] != anasHash || len(c.Dashboard.Users) != 1 {
		t.Fatalf("%v, %v", c, err)
	}
	if shown := fmt.Sprintf("%v %#v", c.Dashboard, c.Dashboard); strings.Contains(shown, anasHash) {
		t.Errorf("a hash is shown: %s", shown)
	}
}

func TestAPasswordInTheFileIsRefusedAndNotRepeated(t *testing.T) {
	for _, users := range []string{"{ana: secret-password}", "{ana: [x]}", "{'': '" + anasHash + "'}", "[ana]", "{ana: $2a$12$short}"} {
		_, err := loadText(t, "dashboard: {users: "+users+"}\n")
		if err == nil || !strings.Contains(err.Error(), "dashboard.users") || strings.Contains(err.Error(), "secret-password") {
			t.Errorf("%s: %v", users, err)
		}
	}
}
