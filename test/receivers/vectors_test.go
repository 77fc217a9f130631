package main

import (
	"testing"

	"github.com/rollcall-rtc/rollcall/event"
)

func TestEveryEventIsSentFreshAndLate(t *testing.T) {
	vectors, err := makeVectors(t.Context(), "../../event/testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	sent := make(map[string]int)
	for _, v := range vectors {
		if v.Accept {
			sent[v.Group+"/"+v.Event]++
		}
	}
	for _, d := range event.Catalogue() {
		for _, group := range []string{groupFresh, groupLate} {
			if n := sent[group+"/"+string(d.Name)]; n != 1 {
				t.Errorf("%d vectors of %s, %s", n, d.Name, group)
			}
		}
	}
	for _, name := range []string{"authorization", "webhook-id", "webhook-timestamp", "webhook-signature", "rollcall-seq", "content-type"} {
		if vectors[0].Headers[name] == "" {
			t.Errorf("the vectors have no header %s: %v", name, vectors[0].Headers)
		}
	}
}
