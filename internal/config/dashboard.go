package config

import (
	"fmt"
	"log/slog"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// Passwords are bcrypt hashes by name. Printed or logged, they are a count.
type Passwords map[string]string

func (p Passwords) String() string       { return fmt.Sprintf("%d passwords", len(p)) }
func (p Passwords) GoString() string     { return p.String() }
func (p Passwords) LogValue() slog.Value { return slog.StringValue(p.String()) }

// dashboardUsers reads names with bcrypt hashes. A password itself is refused
// without being repeated: who wrote it there has to know.
func dashboardUsers(s *source, path string, v value) {
	var users Passwords
	v.entries(path, func(name, where string, v value) {
		hash, ok := v.scalar()
		switch {
		case !ok:
			v.expected(join(path, name), "the hash of a password, as text")
		case strings.TrimSpace(name) == "":
			s.problem(where, path, "expected the name of a person")
		default:
			if _, err := bcrypt.Cost([]byte(hash)); err != nil {
				s.problem(v.where(), join(path, name), "expected a bcrypt hash (rollcall hash-password makes one), not the password")
				return
			}
			if users == nil {
				users = Passwords{}
			}
			users[name] = hash
		}
	})
	s.cfg.Dashboard.Users = users
}
