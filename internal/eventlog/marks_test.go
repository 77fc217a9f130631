package eventlog

import (
	"slices"
	"testing"
)

func TestMarksOfALongHoldAreThinnedAndStayInOrder(t *testing.T) {
	var l Log
	for seq := range uint64(20_000) {
		l.ages.Marks = append(l.ages.Marks, mark{Seq: seq, Bytes: seq})
		l.thin()
		if n := len(l.ages.Marks); n > maxMarks {
			t.Fatalf("%d marks", n)
		}
	}
	marks := l.ages.Marks
	if !slices.IsSortedFunc(marks, func(a, b mark) int { return int(a.Seq) - int(b.Seq) }) || marks[0].Seq != 0 {
		t.Error("the marks are out of order")
	}
	// What is new is marked closely.
	for i := len(marks) - 100; i < len(marks); i++ {
		if gap := marks[i].Seq - marks[i-1].Seq; gap != 1 {
			t.Fatalf("a gap of %d before mark %d of %d", gap, i, len(marks))
		}
	}
}
