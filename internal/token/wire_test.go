package token

import (
	"encoding/json"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Dates are what the library makes of them, read and written.
func FuzzSeconds(f *testing.F) {
	for _, text := range []string{
		"0", "-0", "-1", "1", "1.5", "1e9", "007", `"12"`, "1777632000", "99999999999", "100000000000", "1e300", "-1e300", "true", "{}", "[1]", " 1 ",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got, want struct {
			At *seconds
		}
		var library struct {
			At *jwt.NumericDate
		}
		raw := []byte(`{"At":` + text + `}`)
		err, wanted := json.Unmarshal(raw, &got), json.Unmarshal(raw, &library)
		if (err == nil) != (wanted == nil) {
			t.Fatalf("%q: %v, the library says %v", text, err, wanted)
		}
		if err != nil || library.At == nil {
			return
		}
		want.At = &seconds{*library.At}
		if !got.At.Equal(want.At.Time) {
			t.Fatalf("%q is %s, want %s", text, got.At, want.At)
		}
		b, err := json.Marshal(got)
		again, wanted := json.Marshal(library)
		if string(b) != string(again) || (err == nil) != (wanted == nil) {
			t.Fatalf("%q is written %s, %v; the library writes %s, %v", text, b, err, again, wanted)
		}
	})
}
