package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestEveryWrongVerdictIsNamed(t *testing.T) {
	vectors := []vector{
		{Name: "fresh/a", Event: "a", ID: "1", Accept: true},
		{Name: "forged/a", Event: "a", ID: "1"},
	}
	right := func() map[string]verdict {
		return map[string]verdict{
			"fresh/a":  {Name: "fresh/a", Accepted: true, Event: "a", ID: "1"},
			"forged/a": {Name: "forged/a", Error: "signature"},
		}
	}
	if err := judge(vectors, right()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(map[string]verdict){
		"no verdict on fresh/a":                   func(v map[string]verdict) { delete(v, "fresh/a") },
		"fresh/a is refused: because":             func(v map[string]verdict) { v["fresh/a"] = verdict{Error: "because"} },
		"forged/a is accepted":                    func(v map[string]verdict) { v["forged/a"] = verdict{Accepted: true} },
		"forged/a is refused without a reason":    func(v map[string]verdict) { v["forged/a"] = verdict{} },
		`fresh/a became event "b" with id "1"`:    func(v map[string]verdict) { v["fresh/a"] = verdict{Accepted: true, Event: "b", ID: "1"} },
		`fresh/a became event "a" with id ""`:     func(v map[string]verdict) { v["fresh/a"] = verdict{Accepted: true, Event: "a"} },
		"verdicts on vectors that were not given": func(v map[string]verdict) { v["other"] = verdict{} },
	} {
		verdicts := right()
		spoil(verdicts)
		if err := judge(vectors, verdicts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("judge = %v, want one that says %q", err, want)
		}
	}
}

func TestVerdictsAreOneLineEach(t *testing.T) {
	const line = `{"name":"fresh/a","accepted":true}` + "\n"
	if v, err := parseVerdicts([]byte(line)); err != nil || !v["fresh/a"].Accepted {
		t.Errorf("parseVerdicts = %v, %v", v, err)
	}
	for _, bad := range []string{line + line, "Traceback\n", line + "\n"} {
		if v, err := parseVerdicts([]byte(bad)); err == nil {
			t.Errorf("%q became %v", bad, v)
		}
	}
}

func TestForgeriesDifferFromTheGoodRequest(t *testing.T) {
	token := strings.Repeat("a", 3)
	good := vector{Event: "room_started", Accept: true, Body: []byte(`{"room":{"name":"blue"}}`), Headers: map[string]string{
		// {"alg":"HS256","typ":"JWT"} and {"exp":2,"nbf":1,"iat":1}
		"authorization":     "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjIsIm5iZiI6MSwiaWF0IjoxfQ." + token,
		"webhook-signature": "v1,x", "webhook-id": "1",
	}}
	seen := map[string]bool{fmt.Sprint(good.Headers, string(good.Body)): true}
	for _, v := range rejects(good, vector{Body: good.Body, Headers: map[string]string{"authorization": "other"}}) {
		key := fmt.Sprint(v.Headers, string(v.Body))
		if v.Accept || v.Group == "" || seen[key] {
			t.Errorf("%s: accept %v, seen before: %v", v.Group, v.Accept, seen[key])
		}
		seen[key] = true
	}
}
